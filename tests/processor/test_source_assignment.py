"""Whose records a batch holds, where reading goes on, and under which membership."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError

from processor.errors import SessionLost
from tests.processor.drivers import FakeConsumer, came, failure, lost, revoked
from tests.processor.member import MARK, Member, batch, messages


@pytest.fixture
def member() -> Member:
    return Member()


@pytest.mark.parametrize("went", [revoked, lost])
def test_records_of_partitions_that_are_not_ours_are_dropped(member: Member, went: Callable[..., Any]) -> None:
    """Given up before or during the call, or never had: another member works on them."""
    assert member.read(came(0, 1), *messages(2, 9), *messages(1, 1)) == [(1, 1)]
    assert member.read(*messages(0, 4), *messages(1, 2), went(0), *messages(0, 5)) == [(1, 2)]
    assert member.source.assigned == {1}
    assert member.sought() == []


@pytest.mark.parametrize("went", [revoked, lost])
@pytest.mark.parametrize(("committed", "sought"), [({0: 3}, 3), ({}, OFFSET_BEGINNING)])
def test_a_partition_regained_within_one_call_is_read_anew(
    member: Member, went: Callable[..., Any], committed: dict[int, int], sought: int
) -> None:
    """What was read of it may be another member's work by now: it goes on where the group's offset stands."""
    member.driver.group_offsets = committed
    assert member.read(came(0, 1), *messages(0, 0, 1), went(0), came(0), *messages(1, 5)) == [(1, 5)]
    assert member.sought() == [(0, sought)]
    assert member.read(*messages(0, 3)) == [(0, 3)]


def test_no_batch_without_the_group_offsets_of_what_was_regained(member: Member) -> None:
    """Nobody knows where it goes on: from the beginning would be wrong."""
    member.driver.plans.plan("committed", failure(KafkaError._TIMED_OUT))
    with pytest.raises(SessionLost, match="committed offsets"):
        member.play(came(0), *messages(0, 0), revoked(0), came(0))
    member.driver.unreadable = KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT)
    with pytest.raises(SessionLost, match="committed offsets"):
        member.play(*messages(0, 0), revoked(0), came(0))


def test_a_batch_has_the_membership_it_was_read_under(member: Member) -> None:
    """It is taken once the records are there, and what becomes of the membership afterwards does not change it."""

    def joined(consumer: FakeConsumer) -> None:
        consumer.membership = "joined"

    def ask() -> bytes:
        member.driver.membership = "later"
        return MARK

    member.source._mark._ask = ask
    found = member.play(came(0), joined, *messages(0, 0))
    assert found is not None
    assert found.membership == "joined"
    assert member.driver.membership == "later"


@pytest.mark.parametrize("when", ["before the batch", "as its membership was taken"])
def test_a_member_no_more_reads_nothing(member: Member, when: str) -> None:
    """Kafka takes a blank membership from anybody: the batch is dropped, and read again from where it began."""
    member.driver.blank_soon = when != "before the batch"
    member.driver.member = "member" if member.driver.blank_soon else ""
    assert member.read(came(0, 1), *messages(0, 4, 5), *messages(1, 2)) == []
    assert member.sought() == [(0, 4), (1, 2)]
    member.driver.member, member.driver.blank_soon = "member", False
    assert member.read(*messages(0, 4), *messages(1, 2)) == [(0, 4), (1, 2)]


def test_nothing_is_handed_out_twice(member: Member) -> None:
    """Neither what was committed, even when a fetch begins behind it, nor what one call repeats."""
    first = member.play(came(0), *messages(0, 3, 4, 3, 4, 5))
    assert first is not None
    assert [record.offset for record in first.records] == [3, 4, 5]
    member.source.committed(first)
    assert member.read(*messages(0, 2, 3, 4, 5)) == []
    assert member.read(*messages(0, 5, 6, 7)) == [(0, 6), (0, 7)]


@pytest.mark.parametrize("went", [revoked, lost])
def test_what_was_committed_counts_as_long_as_the_partition_is_ours(member: Member, went: Callable[..., Any]) -> None:
    """Had again, a partition is read from wherever the group stands: it may have been reset."""
    member.source.committed(batch((0, 9)))
    assert member.read(came(0), *messages(0, 9)) == [(0, 9)]
    member.source.committed(batch((0, 9)))
    assert member.read(went(0)) == []
    assert member.read(came(0), *messages(0, 2)) == [(0, 2)]


def test_going_back_gives_the_batch_again(member: Member) -> None:
    """From its first offsets on, of the partitions that are still ours; what comes again from before is skipped."""
    member.play(came(0, 1, 2), *messages(0, 5, 6), *messages(1, 8), *messages(2, 1))
    member.play(revoked(2))
    member.source.rewind(batch((0, 5), (0, 6), (1, 8), (2, 1)))
    assert member.sought() == [(0, 5), (1, 8)]
    assert member.read(*messages(0, 3, 4)) == []
    assert member.read(*messages(0, 4, 5, 6), *messages(1, 8)) == [(0, 5), (0, 6), (1, 8)]
    assert member.read(*messages(0, 9)) == [(0, 9)], "a hole in the topic is no fault once reading went on"


def test_a_gap_after_going_back_ends_the_session(member: Member) -> None:
    """Records would be skipped: the session begins anew, from the committed offsets."""
    member.play(came(0), *messages(0, 5, 6))
    member.source.rewind(batch((0, 5), (0, 6)))
    with pytest.raises(SessionLost, match="sought back to 5, but continued at 6"):
        member.play(*messages(0, 6))


@pytest.mark.parametrize("went", [revoked, lost])
def test_what_is_due_ends_with_the_assignment(member: Member, went: Callable[..., Any]) -> None:
    """Where a partition had again goes on is not what was due before; nor is it after going back once more."""
    member.play(came(0), *messages(0, 5, 6))
    member.source.rewind(batch((0, 5)))
    assert member.read(went(0)) == []
    assert member.read(came(0), *messages(0, 6)) == [(0, 6)]
    member.source.rewind(batch((0, 6)))
    member.source.rewind(batch((0, 4)))
    assert member.read(*messages(0, 4)) == [(0, 4)]


def test_a_partition_that_cannot_go_back_ends_the_session(member: Member) -> None:
    member.play(came(0), *messages(0, 5))
    member.driver.plans.plan("seek", failure(KafkaError._STATE))
    with pytest.raises(SessionLost, match="partition 0 cannot be read from 5"):
        member.source.rewind(batch((0, 5)))


@pytest.mark.parametrize(
    ("config", "assign"),
    [
        ({}, "incremental_assign"),
        ({"partition.assignment.strategy": "range"}, "assign"),
        ({"partition.assignment.strategy": "range", "group.protocol": "consumer"}, "incremental_assign"),
    ],
)
def test_a_pause_holds_for_partitions_that_come(config: dict[str, Any], assign: str) -> None:
    """What is had already is paused at once, what comes while paused when it comes; both go on together."""
    member = Member(**config)
    member.play(came(1, 0))
    assert member.driver.called(assign) == [], "unpaused, assigning is left to the driver"
    member.source.pause()
    member.driver.script.append(came(2))
    member.source.wait()
    member.source.resume()
    member.play(came(3))
    assert member.driver.calls[1:] == [("pause", 0, 1), (assign, 2), ("pause", 2), ("resume", 0, 1, 2)]


def test_waiting_gives_back_what_was_on_its_way(member: Member) -> None:
    """A record that arrives in spite of the pause is read again after it, and no second one is taken."""
    member.play(came(0))
    member.source.pause()
    member.driver.script += messages(0, 5, 6)
    member.source.wait()
    assert member.sought() == [(0, 5)]
    assert len(member.driver.script) == 1
    member.driver.script.clear()
    member.source.wait()
    assert member.sought() == [(0, 5)]
    with pytest.raises(SessionLost):
        member.play(*messages(0, 6))


@pytest.mark.parametrize("leave", [revoked, lost])
def test_a_pause_ends_with_the_assignment(member: Member, leave: Callable[..., Any]) -> None:
    """The driver would keep it: a partition that leaves a paused member must not come back paused."""
    member.play(came(0, 1))
    member.source.pause()
    member.driver.script.append(leave(1))
    member.source.wait()
    member.source.resume()
    member.play(came(1))
    assert member.driver.calls[1:] == [("pause", 0, 1), ("resume", 1), ("resume", 0)]


def test_a_partition_that_cannot_be_paused_ends_the_session(member: Member) -> None:
    """The driver's callback does not raise: the fault is raised to whoever waits."""
    member.source.pause()
    member.driver.plans.plan("pause", failure(KafkaError._STATE))
    member.driver.script.append(came(0))
    with pytest.raises(SessionLost, match="cannot be paused"):
        member.source.wait()
