"""A source's progress: passes its reads, commits and the driver's statistics to the lag. On the source's thread."""

import time
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import structlog

from processor import metrics, statistics
from processor.health import STATE
from processor.lag import Lag
from processor.offsets import Offsets
from processor.records import Batch, Record, firsts

_ENDS_EVERY_S: Final = 1.0

log = structlog.get_logger()


class Progress:
    """The progress in one topic: of the group's member, unless partitions have numbers of their own."""

    def __init__(self, topic: str, lag: Lag = metrics.LAG, base: int = 0) -> None:
        """Begin without a partition.

        Args:
            topic: that is read.
            lag: is updated.
            base: added to the number of each partition (`schemas.lanes`); 0: of segment.events.
        """
        self._topic, self._lag, self._base = topic, lag, base
        self._is_paused, self._ends_at = False, 0.0
        self._joining_since: float | None = None

    @property
    def joining_s(self) -> float:
        """For how long the driver has waited for a place in the group; 0: it does not."""
        return 0.0 if self._joining_since is None else time.monotonic() - self._joining_since

    def came(self, partitions: Iterable[int]) -> None:
        """Start tracking newly assigned partitions."""
        self._joining_since = None
        self._lag.came(partitions)

    def went(self, partitions: Iterable[int]) -> None:
        """Remove revoked partitions."""
        self._joining_since = None
        self._lag.went(partitions)

    def handed_out(self, records: Sequence[Record]) -> None:
        """Note the records of a batch."""
        self._lag.handed_out(firsts(records))

    def committed(self, batch: Batch) -> None:
        """Note that a batch is committed."""
        self._lag.committed(batch.lasts())

    def paused(self, offsets: Offsets, assigned: Iterable[int]) -> None:
        """Query the log ends now and then: a paused source fetches nothing that would say so."""
        self._is_paused = True
        now = time.monotonic()
        if now - self._ends_at >= _ENDS_EVERY_S:
            self._ends_at = now
            for partition, end in offsets.ends(assigned).items():
                self._lag.ends_at(partition, end)

    def resumed(self) -> None:
        """Note that records are fetched again."""
        self._is_paused = False

    def on_statistics(self, text: str) -> None:
        """Take the driver's statistics. Never raises: the driver calls it."""
        try:
            pulse = statistics.read(text, self._topic)
        except msgspec.MsgspecError as error:
            log.warning("statistics.unreadable", error=str(error))
            return
        if not self._base:
            STATE.is_settled = pulse.is_settled
        if not pulse.is_joining:
            self._joining_since = None
        elif self._joining_since is None:
            self._joining_since = time.monotonic()
        for partition, end, drained_at in pulse.positions:
            self._lag.ends_at(self._base + partition, end)
            if drained_at is not None and not self._is_paused:
                self._lag.drained(self._base + partition, end, drained_at)

    def closed(self) -> None:
        """Forget everything: the session is over."""
        self._lag.clear()
        if not self._base:
            STATE.left_group()
