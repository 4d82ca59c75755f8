"""What Kafka deleted before it was committed is counted; a committed offset beyond the log is reported."""

import pytest
from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from processor import metrics
from processor.errors import SessionLost
from tests.processor.drivers import came, failure, revoked
from tests.processor.member import Member, messages

PARTITION = 901  # of these tests alone: counters are this process's


@pytest.fixture
def member() -> Member:
    return Member()


def counted() -> tuple[float, float]:
    skipped, beyond = metrics.SKIPPED.labels(PARTITION), metrics.BEYOND_END.labels(PARTITION)
    found = skipped._value.get(), beyond._value.get()
    for metric in (metrics.SKIPPED, metrics.BEYOND_END):
        metric.remove(PARTITION)
    return found


def stand(member: Member, *, committed: int | None, low: int, high: int, cached: tuple[int, int] | None = None) -> None:
    """Set where the group stands, and where the log begins and ends."""
    member.driver.group_offsets = {} if committed is None else {PARTITION: committed}
    member.driver.marks = {PARTITION: (low, high)}
    member.driver.cached_marks = {PARTITION: cached or (low, high)}


@pytest.mark.parametrize(
    ("committed", "low", "first", "told"),
    [
        (5, 0, 5, (0, 0)),
        (5, 5, 5, (0, 0)),
        (5, 0, 7, (0, 0)),  # markers of transactions lie between
        (5, 40, 40, (35, 0)),
        (5, 40, 42, (35, 0)),
        (5, 50, 42, (37, 0)),  # retention has gone on meanwhile
        (50, 0, 5, (0, 0)),  # it was frozen: its successor has committed what it had fetched
        (500, 0, 0, (0, 1)),
        (500, 20, 20, (0, 1)),
        (None, 20, 20, (0, 0)),  # a new group
    ],
)
def test_what_is_missing_at_the_start(
    member: Member, committed: int | None, low: int, first: int, told: tuple[float, float]
) -> None:
    """The first record is compared with the committed offset before it is handed out; reading goes on."""
    stand(member, committed=committed, low=low, high=100)
    assert member.read(came(PARTITION), *messages(PARTITION, first)) == [(PARTITION, first)]
    assert counted() == told
    assert member.read(*messages(PARTITION, first + 1)) == [(PARTITION, first + 1)]
    assert counted() == (0, 0)


@pytest.mark.parametrize(
    ("committed", "low", "high", "told"),
    [(5, 0, 5, (0, 0)), (5, 100, 100, (95, 0)), (500, 100, 100, (0, 1)), (None, 100, 100, (0, 0))],
)
def test_what_is_missing_of_a_partition_without_records(
    member: Member, committed: int | None, low: int, high: int, told: tuple[float, float]
) -> None:
    """It is not waited for a record."""
    stand(member, committed=committed, low=low, high=high)
    assert member.read(came(PARTITION)) == []
    assert counted() == told


def test_pending_offsets_of_an_idle_partition_keep_nobody_waiting(member: Member) -> None:
    """A dead worker's transaction may hold them for minutes, and other partitions have events."""
    stand(member, committed=5, low=0, high=5)
    member.read(came(PARTITION))
    assert member.driver.asks == [0.5]


def test_a_cached_end_is_not_taken_for_the_end(member: Member) -> None:
    """The driver keeps the ends of an earlier assignment, and knows none before its first fetch."""
    stand(member, committed=90, low=0, high=100, cached=(0, 50))
    assert member.read(came(PARTITION)) == []
    assert counted() == (0, 0)
    member = Member()
    stand(member, committed=500, low=0, high=100, cached=(-1001, -1001))
    assert member.read(came(PARTITION)) == []
    assert counted() == (0, 0)
    member.source._cursor.gaps._idle_at = 0.0
    member.driver.cached_marks = member.driver.marks
    assert member.read() == []
    assert counted() == (0, 1)


def test_what_is_missing_while_reading(member: Member) -> None:
    """Retention passes a worker that is behind: only what the log no longer has is counted."""
    stand(member, committed=5, low=0, high=100)
    batch = member.play(came(PARTITION), *messages(PARTITION, 5))
    assert batch is not None
    member.source.committed(batch)
    assert member.read(*messages(PARTITION, 8)) == [(PARTITION, 8)]
    assert counted() == (0, 0)
    member.driver.cached_marks = {PARTITION: (30, 100)}
    assert member.read(*messages(PARTITION, 30)) == [(PARTITION, 30)]
    assert counted() == (24, 0)


def test_a_log_that_was_truncated_ends_the_session(member: Member) -> None:
    """What was written there since would be taken for records that were handed out before."""
    stand(member, committed=5, low=0, high=6)
    batch = member.play(came(PARTITION), *messages(PARTITION, 5))
    assert batch is not None
    member.source.committed(batch)
    assert member.read(*messages(PARTITION, 5)) == []
    member.driver.cached_marks = {PARTITION: (0, 3)}
    with pytest.raises(SessionLost, match="ends at 3"):
        member.play(*messages(PARTITION, 0))


@pytest.mark.parametrize("call", ["committed", "watermarks"])
def test_no_batch_before_it_is_compared(member: Member, call: str) -> None:
    """While nobody says where the group stands its records are read again: the first commit would hide it."""
    stand(member, committed=5, low=40, high=100)
    member.driver.plans.plan(call, failure(KafkaError._TIMED_OUT))
    with capture_logs():
        assert member.read(came(PARTITION), *messages(PARTITION, 40)) == []
    assert member.sought() == [(PARTITION, 40)]
    assert member.read(*messages(PARTITION, 40)) == [(PARTITION, 40)]
    assert counted() == (35, 0)


def test_each_assignment_is_compared(member: Member) -> None:
    stand(member, committed=5, low=0, high=100)
    assert member.read(came(PARTITION), *messages(PARTITION, 5)) == [(PARTITION, 5)]
    stand(member, committed=6, low=40, high=100)
    assert member.read(revoked(PARTITION)) == []
    assert member.read(came(PARTITION), *messages(PARTITION, 40)) == [(PARTITION, 40)]
    assert counted() == (34, 0)
