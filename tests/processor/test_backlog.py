"""What a worker can do is measured in backlogs alone."""

from collections.abc import Iterator

from processor import metrics
from processor.backlog import BEHIND, Backlog


def moments() -> Iterator[float]:
    """Yield an instant a second."""
    second = 0.0
    while True:
        yield second
        second += 1


def test_full_batches_in_a_row_are_counted_with_their_time() -> None:
    """The first only begins it; a small batch, an aborted one or none ends it."""
    before = metrics.value(metrics.BACKLOG_EVENTS), metrics.value(metrics.BACKLOG_SECONDS)
    clock = moments()
    backlog = Backlog(lambda: next(clock))
    for records in (BEHIND, BEHIND + 1, BEHIND, 0, BEHIND, BEHIND - 1, BEHIND, 5000):
        backlog.committed(records)
    events, seconds = metrics.value(metrics.BACKLOG_EVENTS), metrics.value(metrics.BACKLOG_SECONDS)
    assert (events - before[0], seconds - before[1]) == (2 * BEHIND + 1 + 5000, 3.0)
