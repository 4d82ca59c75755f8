"""Gaps between the committed offset and the first record read: retention may have deleted uncommitted records.

The consumer itself continues at the oldest record left; this module logs and counts the gap. Each partition is checked
once after its assignment, before its first record is handed out, since the first commit overwrites the old offset; then
whenever offsets are missing.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

import structlog

from processor import metrics
from processor.errors import SessionLost
from schemas import lanes

_AGAIN_S: Final = 5.0  # between two looks at a partition without records
# How long the group's offsets are waited for. Without records only for a moment: offsets that are pending in a dead
# worker's transaction have no answer, and meanwhile nothing is read of the other partitions.
_WAIT_S, _MOMENT_S = 10.0, 0.5

log = structlog.get_logger()


class Offsets(Protocol):
    """Queries to the driver. Each raises SessionLost when no answer comes."""

    def committed(self, partitions: Iterable[int], wait_s: float) -> Mapping[int, int]:
        """Return the group's offsets within some seconds; negative where it has none."""

    def watermarks(self, partition: int, *, cached: bool) -> tuple[int, int]:
        """Return a partition's first offset and the one after its last; cached: of the last fetch, else negative."""


class Gaps:
    """The assigned partitions, and what is missing in them."""

    def __init__(self, offsets: Offsets, clock: Callable[[], float] = time.monotonic) -> None:
        self._offsets, self._clock = offsets, clock
        self._unchecked: set[int] = set()
        self._idle_at = 0.0

    @property
    def pending(self) -> bool:
        """Whether there are partitions to look at."""
        return bool(self._unchecked)

    def came(self, partitions: Iterable[int]) -> None:
        """Add newly assigned partitions."""
        self._unchecked.update(partitions)

    def went(self, partitions: Iterable[int]) -> None:
        """Remove revoked partitions."""
        self._unchecked.difference_update(partitions)

    def check(self, firsts: Mapping[int, int]) -> bool:
        """Compare with the group's offsets; return whether that could be done.

        Args:
            firsts: the first offset of each partition of a batch. Of no batch: partitions without records are looked
                at, now and then.
        """
        due = self._unchecked & firsts.keys()
        if not firsts and self._unchecked and self._clock() >= self._idle_at:
            due, self._idle_at = set(self._unchecked), self._clock() + _AGAIN_S
        if not due:
            return True
        wait_s = _WAIT_S if firsts else _MOMENT_S
        try:
            for partition, committed in self._offsets.committed(due, wait_s).items():
                self._compare(partition, committed, firsts.get(partition))
        except SessionLost as error:
            log.warning("gaps.unknown", error=str(error))
            return False
        return True

    def missed(self, partition: int, expected: int, offset: int) -> None:
        """Note that a record came in place of an earlier one. Transactions leave holes of their own: they are none."""
        low, _ = self._offsets.watermarks(partition, cached=True)
        if low > expected:
            _say_skipped(partition, expected, min(low, offset))

    def check_behind(self, partition: int, expected: int) -> None:
        """Look at a log of which a record comes again: after a rebalance a fetch can begin behind what was committed.

        Raises:
            SessionLost: the log ends before what was read of it: it was truncated, and is read from its beginning.
        """
        high = self._offsets.watermarks(partition, cached=True)[1]
        if 0 <= high < expected:
            raise SessionLost(
                f"partition {lanes.name(partition)} was read to {expected}, but its log now ends at {high}"
            )

    def _compare(self, partition: int, committed: int, first: int | None) -> None:
        low, high = self._offsets.watermarks(partition, cached=True)
        if first is None and high < 0:
            return  # nothing was fetched yet
        if committed >= 0 and (low > committed or (high if first is None else first) < committed):
            # What is cached may be of an earlier assignment.
            low, high = self._offsets.watermarks(partition, cached=False)
            begins = low if first is None else min(low, first)
            if begins > committed:
                _say_skipped(partition, committed, begins)
            elif high < committed:
                # A first record that is behind is not enough: a worker that was frozen is handed what it had fetched,
                # while its successor has committed that.
                _say_beyond(partition, committed, high)
        self._unchecked.discard(partition)


def _say_skipped(partition: int, expected: int, begins: int) -> None:
    metrics.SKIPPED.labels(lanes.name(partition)).inc(begins - expected)
    log.error(
        "events.skipped",
        partition=lanes.name(partition),
        events=begins - expected,
        next_offset=expected,
        log_begins=begins,
        advice="Kafka deleted them before a worker committed them; raise retention.ms or retention.bytes of the topic, "
        "or run more workers",
    )


def _say_beyond(partition: int, committed: int, high: int) -> None:
    metrics.BEYOND_END.labels(lanes.name(partition)).inc()
    log.error(
        "offset.beyond_end",
        partition=lanes.name(partition),
        committed=committed,
        log_ends=high,
        advice="the topic was truncated or recreated, or another topic's offsets were restored; "
        "reading from the beginning",
    )
