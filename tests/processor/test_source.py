"""What a batch is made of, and what the consumer does about errors and about a topic made again."""

import time
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from processor.errors import Fatal, SessionLost
from processor.records import Record
from tests.processor.drivers import TOPIC, FakeConsumer, came, complaint, failure, lost, revoked
from tests.processor.member import MARK, Member, message, messages, trouble


@pytest.fixture
def member() -> Member:
    return Member()


def test_a_batch_holds_what_is_there(member: Member) -> None:
    """All of it, in its order, up to the batch's size, with the membership and the topic's mark."""
    found = member.play(came(0, 1), *messages(1, 5, 6), *messages(0, 3))
    assert found is not None
    assert (found.first_offsets(), found.next_offsets()) == ({1: 5, 0: 3}, {1: 7, 0: 4})
    assert (found.membership, found.incarnation) == ("membership", MARK)
    assert member.source.assigned == {0, 1}
    assert member.play() is None
    small = Member(most=2)
    assert small.read(came(0), *messages(0, 0, 1, 2)) == [(0, 0), (0, 1)]
    assert small.read() == [(0, 2)]


@pytest.mark.parametrize(("there", "waited"), [(0, True), (99, True), (100, False)])
def test_only_a_small_batch_waits_for_more(member: Member, there: int, *, waited: bool) -> None:
    """A worker that is behind takes what has come meanwhile; one that is not makes no transaction of every record."""
    assert len(member.read(came(0), *messages(0, *range(there)))) == there
    assert any(member.driver.waits) is waited


def test_the_consumer_leaves_offsets_to_the_transaction(member: Member) -> None:
    """It commits nothing by itself, reads what is committed, and learns what it loses."""
    config = member.driver.config
    assert not config["enable.auto.commit"]
    assert not config["enable.auto.offset.store"]
    assert (config["isolation.level"], config["auto.offset.reset"]) == ("read_committed", "earliest")
    assert config["group.id"] == "g"
    assert member.driver.calls == [("subscribe", TOPIC)]
    assert set(member.driver._callbacks) == {"on_assign", "on_revoke", "on_lost"}


def test_the_topic_is_looked_at_once_a_second_at_most(member: Member) -> None:
    began = time.monotonic()
    for offset in range(100):
        member.read(*([came(0)] if offset == 0 else []), *messages(0, offset))
    assert 1 <= member.asked <= 1 + (time.monotonic() - began)


@pytest.mark.parametrize("change", [came(1), revoked(0), lost(0)], ids=["came", "revoked", "lost"])
def test_the_topic_is_looked_at_when_the_assignment_changes(
    member: Member, change: Callable[[FakeConsumer], None]
) -> None:
    """A topic made again gives its partitions out anew."""
    member.play(came(0))
    member.source._mark.asked_at += 3600  # as if it had just been asked, however slow this machine
    member.play()
    assert member.asked == 1
    member.play(change)
    assert member.asked == 2


def test_a_topic_made_again_ends_the_session(member: Member) -> None:
    """Its records have the coordinates of others: nothing of them is handed out under the old mark."""
    member.play(came(0), *messages(0, 0))
    member.mark = b"new!"
    member.source._mark.asked_at -= 1  # a second passes
    with pytest.raises(SessionLost, match="recreated"):
        member.play(*messages(0, 1))


def test_no_batch_before_the_topic_is_known(member: Member) -> None:
    """Without its mark no claim can be made: records are read again once it is there."""
    member.mark = None
    assert member.read(came(0), *messages(0, 4, 5)) == []
    assert member.sought() == [(0, 4)]
    member.mark = MARK
    assert member.read(*messages(0, 4, 5)) == [(0, 4), (0, 5)]


def test_a_topic_known_once_is_known_while_nobody_answers(member: Member) -> None:
    member.play(came(0))
    member.mark = None
    member.source._mark.asked_at -= 1
    found = member.play(*messages(0, 4))
    assert found is not None
    assert found.incarnation == MARK


def test_an_error_that_passes_is_said_and_skipped(member: Member) -> None:
    with capture_logs() as said:
        found = member.read(came(0), *messages(0, 0), trouble(KafkaError._TRANSPORT), *messages(0, 1))
        assert found == [(0, 0), (0, 1)]
        assert member.read(complaint(KafkaError._ALL_BROKERS_DOWN), *messages(0, 2)) == [(0, 2)]
    codes = [line["code"] for line in said if line["event"] == "kafka.troubled"]
    assert codes == ["_TRANSPORT", "_ALL_BROKERS_DOWN"]


@pytest.mark.parametrize(
    ("code", "fault"),
    [(KafkaError._MAX_POLL_EXCEEDED, SessionLost), (KafkaError.TOPIC_AUTHORIZATION_FAILED, Fatal)],
)
@pytest.mark.parametrize("told", ["as a message", "to the callback"])
def test_an_error_that_does_not_pass_is_raised(member: Member, code: int, fault: type[Exception], told: str) -> None:
    """Also one that the driver passes to its callback, which does not raise: it is raised to the reader."""
    with pytest.raises(fault, match="Kafka: "):
        member.play(came(0), *messages(0, 0), trouble(code) if told == "as a message" else complaint(code))


def test_what_is_fatal_stays_fatal(member: Member) -> None:
    """A lost session reported after it does not hide it."""
    with pytest.raises(Fatal):
        member.play(complaint(KafkaError.TOPIC_AUTHORIZATION_FAILED), complaint(KafkaError._MAX_POLL_EXCEEDED))


@pytest.mark.parametrize(
    ("headers", "workspace", "received_at_ms"),
    [
        (None, "default", None),
        ([], "default", None),
        ([("workspace", b"acme"), ("received_at", b"1590947747263"), ("other", b"x")], "acme", 1590947747263),
        ([("workspace", b"acme"), ("received_at", b"1590947747263")], "acme", 1590947747263),
        ([("received_at", b"1590947747263"), ("workspace", b"acme")], "acme", 1590947747263),
        ([("workspace", b"acme"), ("workspace", b"other")], "other", None),
        ([("workspace", b"acme"), ("received_at", b"soon")], "acme", None),
        ([("workspace", b"acme"), ("received_at", b"9" * 16)], "acme", 999_999_999_999_999),
        ([("workspace", b"a\xff"), ("received_at", b"5")], "a\N{REPLACEMENT CHARACTER}", 5),
        ([("workspace", b""), ("received_at", b"5")], "default", 5),
        ([("workspace", b""), ("received_at", b"")], "default", None),
        ([("workspace", None), ("received_at", None)], "default", None),
        ([("workspace", b"a\xff")], "a\N{REPLACEMENT CHARACTER}", None),
        ([("received_at", b"soon")], "default", None),
        ([("received_at", b"-5")], "default", None),
        ([("received_at", b"1.5")], "default", None),
        ([("received_at", "\N{ARABIC-INDIC DIGIT FIVE}".encode())], "default", None),
        ([("received_at", b"9" * 10_000)], "default", 999_999_999_999_999),
    ],
)
def test_headers(member: Member, headers: list[tuple[str, bytes]], workspace: str, received_at_ms: int | None) -> None:
    """Those that ingest sets are read where they can be; the record's own time counts only without a receipt."""
    found = member.play(came(0), message(0, 0, headers=headers))
    assert found is not None
    record = found.records[0]
    assert (record.workspace, record.received_at_ms) == (workspace, received_at_ms)
    assert record.arrived_ms == (7 if received_at_ms is None else received_at_ms)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", True),
        (b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        (b"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        (b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n", False),
        (None, False),
    ],
)
def test_a_valid_traceparent_is_kept(member: Member, sent: bytes | None, *, kept: bool) -> None:
    """What somebody else wrote under this name goes no further."""
    found = member.play(came(0), message(0, 0, headers=[("traceparent", sent)]))
    assert found is not None
    assert found.records[0].trace == (sent if kept else None)


def test_a_record_keeps_its_key_value_and_time(member: Member) -> None:
    """One without a value (a tombstone of somebody) is an empty one."""
    found = member.play(came(3), message(3, 8, key=b"k", value=b"{}", timestamp=(1, 99)), message(3, 9))
    assert found is not None
    assert list(found.records) == [
        Record(3, 8, b"k", b"{}", "default", None, 99),
        Record(3, 9, None, b"", "default", None, 7),
    ]


@pytest.mark.parametrize("error", [failure(KafkaError._TIMED_OUT), RuntimeError("closed"), None])
def test_closing_never_raises(member: Member, error: Exception | None) -> None:
    if error:
        member.driver.plans.plan("close", error)
    member.source.close()
    assert member.driver.called("close") == [("close",)]
