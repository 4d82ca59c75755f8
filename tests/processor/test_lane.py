"""The lane of a backfill beside a member's live partitions: what it hands out, when, and from where."""

from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message, TopicPartition

from processor import lane as lanes_of
from processor.backlog import BEHIND
from processor.errors import SessionLost
from processor.lane import ALONE, BESIDE_LIVE, BESIDE_MANY, Lane
from processor.records import Batch
from processor.sink import Sink
from processor.source import Source
from schemas.lanes import BACKFILL
from tests.processor.drivers import TOPIC, FakeConsumer, FakeProducers, came, complaint, failure, lost, revoked
from tests.processor.member import GROUP, MARK, message, messages

LANE_TOPIC, LANE_MARK = "segment.backfill", b"lane"
STATIC = {**GROUP, "group.instance.id": "slot", "session.timeout.ms": 1}


class LaneConsumer(FakeConsumer):
    """One whose assignment is noted with its offsets."""

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.calls.append(("incremental_assign", *[(place.topic, place.partition, place.offset) for place in places]))


class Pair:
    """A source with a lane, each on a scripted consumer, and a clock that the test sets."""

    def __init__(self) -> None:
        self.live, self.slow = FakeConsumer(), LaneConsumer()
        self.now = 1000.0
        self.mark: bytes | None = LANE_MARK
        self.lane = Lane(STATIC, LANE_TOPIC, lambda: self.mark, self.slow.made, lambda: self.now)
        self.source = Source(STATIC, TOPIC, BEHIND + 100, lambda: MARK, self.live.made, lane=self.lane)
        self.source.join()

    def play(self, live: list[Any], slow: list[Any]) -> Batch | None:
        self.live.script += live
        self.slow.script += slow
        return self.source.next_batch()

    def read(self, live: list[Any], slow: list[Any]) -> list[tuple[int, int]]:
        batch = self.play(live, slow)
        return [(record.partition, record.offset) for record in batch.records] if batch else []

    def assigned(self) -> list[Any]:
        return self.slow.called("incremental_assign", "incremental_unassign")


@pytest.fixture
def pair() -> Pair:
    return Pair()


def backfilled(partition: int, *offsets: int) -> list[Message]:
    return [message(partition, offset, topic=LANE_TOPIC) for offset in offsets]


def test_live_records_come_first_and_the_lane_is_told_apart(pair: Pair) -> None:
    """One batch of both, with what the transaction needs of each; the lane begins at the group's offset."""
    pair.live.lane_offsets = {1: 7}
    pair.play([came(0, 1)], [])
    batch = pair.play(messages(1, 5, 6), backfilled(1, 7, 8))
    assert batch is not None
    assert [(record.partition, record.offset) for record in batch.records] == [
        (1, 5),
        (1, 6),
        (BACKFILL + 1, 7),
        (BACKFILL + 1, 8),
    ]
    assert (batch.incarnation, batch.backfill_mark, batch.backfilled) == (MARK, LANE_MARK, 2)
    assert ([record.offset for record in batch.live], batch.partitions) == ([5, 6], {1})
    assert batch.owner(batch.records[0]) != batch.owner(batch.records[2])
    assert pair.assigned() == [
        ("incremental_assign", (LANE_TOPIC, 0, OFFSET_BEGINNING), (LANE_TOPIC, 1, 7)),
    ]
    producers = FakeProducers()
    Sink({"transactional.id": "slot"}, TOPIC, 60.0, producers.make, backfill=LANE_TOPIC).commit([], batch)
    sent = next(call for call in producers.calls if call[0] == "send")
    assert sent[1:] == ({(TOPIC, 1): 7, (LANE_TOPIC, 1): 9}, "membership")


def test_the_lane_is_no_member(pair: Pair) -> None:
    """It reads what it is assigned, and neither takes the member's name in the group nor ends for having to wait."""
    assert pair.slow.config["group.id"] == "g"
    assert not {"group.instance.id", "session.timeout.ms", "partition.assignment.strategy"} & pair.slow.config.keys()
    assert not pair.slow.called("subscribe")
    assert pair.slow.config["isolation.level"] == "read_committed"


def test_the_member_is_asked_where_the_lane_begins(pair: Pair) -> None:
    """Its coordinator knows it; to another consumer a broker that was cut off may still be the coordinator."""
    pair.live.lane_offsets, pair.slow.lane_offsets = {0: 9}, {0: 3}
    pair.play([came(0)], [])
    assert pair.read([], backfilled(0, 9)) == [(BACKFILL, 9)]
    assert pair.assigned() == [("incremental_assign", (LANE_TOPIC, 0, 9))]
    assert pair.slow.asks == []


@pytest.mark.parametrize("went", [revoked, lost])
def test_a_partition_that_goes_takes_its_lane_along(pair: Pair, went: Any) -> None:
    """At once: what was fetched a moment before is not handed out; and it begins again where the group stands."""
    pair.play([came(0, 1)], [])
    assert pair.read([went(1)], backfilled(0, 0) + backfilled(1, 0)) == [(BACKFILL, 0)]
    pair.live.lane_offsets = {1: 30}
    assert pair.read([went(0)], []) == []
    assert pair.read([came(1)], []) == []
    assert pair.read([], backfilled(1, 30)) == [(BACKFILL + 1, 30)]
    assert pair.assigned()[-1] == ("incremental_assign", (LANE_TOPIC, 1, 30))


def test_a_partition_given_back_within_one_call_begins_again(pair: Pair) -> None:
    """Another member may have gone on there in between."""
    pair.play([came(0)], [])

    def moved(consumer: FakeConsumer) -> None:
        revoked(0)(consumer)
        pair.live.lane_offsets = {0: 12}
        came(0)(consumer)

    after_the_fetch = [*backfilled(0, 3), lambda _: pair.live.script.append(moved)]
    assert pair.read([], after_the_fetch) == []
    assert pair.read([], backfilled(0, 12)) == [(BACKFILL, 12)]


def test_going_back_goes_back_in_both(pair: Pair) -> None:
    """And a lane that does not come back to its offset ends the session, as a live partition does."""
    pair.play([came(0)], [])
    batch = pair.play(messages(0, 4), backfilled(0, 9, 10))
    assert batch is not None
    pair.source.rewind(batch)
    assert (pair.live.called("seek"), pair.slow.called("seek")) == ([("seek", 0, 4)], [("seek", 0, 9)])
    assert pair.read(messages(0, 4), backfilled(0, 9)) == [(0, 4), (BACKFILL, 9)]
    pair.source.rewind(batch)
    with pytest.raises(SessionLost, match="backfill/0 was sought back to 9"):
        pair.play(messages(0, 4), backfilled(0, 10))


def test_what_is_committed_does_not_come_again(pair: Pair) -> None:
    pair.play([came(0)], [])
    batch = pair.play(messages(0, 0), backfilled(0, 0, 1))
    assert batch is not None
    pair.source.committed(batch)
    pair.slow.cached_marks = {0: (0, 9)}
    assert pair.read([], backfilled(0, 0, 1, 2)) == [(BACKFILL, 2)]


def test_the_lane_takes_as_much_as_live_events_leave(pair: Pair) -> None:
    """Little beside them and for a moment after them, much without any, very little while the worker is behind."""
    pair.play([came(0)], [])
    pair.slow.script += backfilled(0, *range(2 * (ALONE + BESIDE_LIVE + BESIDE_MANY)))
    live = iter(range(2 * BEHIND))

    def taken(records: int) -> int:
        batch = pair.play(messages(0, *[next(live) for _ in range(records)]), [])
        assert batch is not None
        return batch.backfilled

    assert taken(0) == ALONE
    assert taken(3) == BESIDE_LIVE
    assert taken(0) == BESIDE_LIVE
    pair.now += 1.0
    assert taken(0) == ALONE
    assert taken(BEHIND) == BESIDE_MANY


def test_live_events_are_waited_for_only_a_moment_during_a_backfill(pair: Pair) -> None:
    """The lane's next records may be on their way; once there have been none for a moment, the wait is the usual."""
    pair.play([came(0)], [])
    assert pair.live.waits[-1] == lanes_of._IDLE_S
    pair.play([], backfilled(0, 0))
    pair.play([], [])
    assert pair.live.waits[-1] == lanes_of._NEXT_S
    pair.now += 1.0
    pair.play([], [])
    assert pair.live.waits[-1] == lanes_of._IDLE_S


def test_live_events_do_not_wait_for_the_lanes_offsets(pair: Pair) -> None:
    """They are in the open transaction of a worker that was killed, say: the lane asks again later."""
    pair.live.plans.plan("committed", failure(KafkaError._TIMED_OUT))
    pair.live.lane_offsets = {0: 5}
    assert pair.read([came(0), *messages(0, 0)], backfilled(0, 5)) == [(0, 0)]
    pair.slow.script.clear()
    assert pair.read(messages(0, 1), backfilled(0, 5)) == [(0, 1)]
    pair.now += 1.0
    pair.slow.script.clear()
    assert pair.read(messages(0, 2), backfilled(0, 5)) == [(0, 2), (BACKFILL, 5)]


def test_no_lane_without_its_topic(pair: Pair) -> None:
    """Live events go on. A topic that was made again ends the session: its records have the places of others."""
    pair.mark = None
    pair.play([came(0)], [])
    assert pair.read(messages(0, 0), backfilled(0, 0)) == [(0, 0)]
    pair.mark = LANE_MARK
    assert pair.read(messages(0, 1), []) == [(0, 1), (BACKFILL, 0)]
    pair.mark = b"new!"
    pair.lane._mark.expire()
    with pytest.raises(SessionLost, match="recreated"):
        pair.play(messages(0, 2), [])


def test_the_groups_offsets_are_committed_again(pair: Pair) -> None:
    """Kafka forgets those of a topic that no member subscribes to a week after their commit, and the lane begins anew.

    At once where it begins, since nobody says how old they are, then now and then, with or without records.
    """
    pair.live.lane_offsets = {0: 7, 1: 4}
    batch = pair.play([came(0, 1, 2)], [])
    assert batch is not None
    assert (batch.records, batch.kept, batch.membership) == ([], {BACKFILL: 7, BACKFILL + 1: 4}, "membership")
    pair.source.committed(batch)
    assert pair.play([], []) is None
    batch = pair.play([], backfilled(0, 7))
    assert batch is not None
    assert not batch.kept
    pair.source.committed(batch)
    pair.now += lanes_of._KEEP_EVERY_S
    batch = pair.play(messages(1, 0), backfilled(0, 8))
    assert batch is not None
    producers = FakeProducers()
    Sink({"transactional.id": "slot"}, TOPIC, 60.0, producers.make, backfill=LANE_TOPIC).commit([], batch)
    sent = next(call for call in producers.calls if call[0] == "send")
    assert sent[1] == {(TOPIC, 1): 1, (LANE_TOPIC, 0): 9, (LANE_TOPIC, 1): 4}


def test_what_moved_is_not_committed_again(pair: Pair) -> None:
    """It is another member's. And what could not be committed does not make the next batch fail, too."""
    pair.live.lane_offsets = {0: 7, 1: 4}
    pair.play([came(0, 1)], [])
    pair.now += lanes_of._KEEP_EVERY_S
    pair.live.member = ""
    assert pair.play([], []) is None
    pair.live.member = "member"
    batch = pair.play([revoked(1)], [])
    assert batch is not None
    assert batch.kept == {BACKFILL: 7}
    pair.source.rewind(batch)
    assert pair.play([], []) is None


def test_what_the_lanes_driver_cannot_survive_ends_the_session(pair: Pair) -> None:
    pair.play([came(0)], [])
    with pytest.raises(SessionLost):
        pair.play([], [complaint(KafkaError._MAX_POLL_EXCEEDED)])
    pair.source.close()
    assert (pair.live.called("close"), pair.slow.called("close")) == ([("close",)], [("close",)])
