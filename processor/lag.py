"""The lag of this worker, per partition: in records and in seconds.

The figures are computed on each scrape, so that they grow with the clock while nothing moves: the lag in seconds is the
age of an instant up to which every event is known to be committed. That instant advances with a commit, and when the
broker reports that nothing is left; while Kafka, the store or this worker is stalled it stays.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

import msgspec
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from processor.records import Record
from schemas import lanes

_FRESH_S: Final = 3.0  # fetches are continuous, and statistics arrive once a second


class _Partition(msgspec.Struct):
    """What is known of one partition.

    Every event received before `until` (epoch seconds) is committed. `position` is the next offset to commit, `end` the
    one after the last record, each negative while it is not known. `held`: records of it were handed out and are not
    committed.
    """

    until: float
    position: int = -1
    end: int = -1
    held: bool = False

    def records(self) -> int:
        return max(0, self.end - self.position) if self.position >= 0 else 0

    def seconds(self, now: float) -> float:
        age = max(0.0, now - self.until)
        is_done = not self.held and not self.records() and age < _FRESH_S
        return 0.0 if is_done else age


class Lag(Collector):
    """The lag of the assigned partitions. Written by the worker's thread, read by the metrics thread."""

    def __init__(self, clock: Callable[[], float] = time.time, lane: str = "") -> None:
        """Begin without partitions.

        Args:
            clock: epoch seconds.
            lane: the metrics' names begin with it; empty: those of live events, an alert on which must not mean others.
        """
        self._clock, self._lane = clock, lane
        self._partitions: dict[int, _Partition] = {}

    def came(self, partitions: Iterable[int]) -> None:
        """Start tracking newly assigned partitions."""
        now = self._clock()
        self._partitions = self._partitions | {partition: _Partition(now) for partition in partitions}

    def went(self, partitions: Iterable[int]) -> None:
        """Remove revoked partitions."""
        gone = set(partitions)
        self._partitions = {partition: of for partition, of in self._partitions.items() if partition not in gone}

    def clear(self) -> None:
        """Remove all partitions: the session is over."""
        self._partitions = {}

    def handed_out(self, firsts: Mapping[int, Record]) -> None:
        """Note the first record of each partition of a batch: the oldest event there that is not committed."""
        for partition, record in firsts.items():
            if of := self._partitions.get(partition):
                of.held, of.position = True, record.offset
                of.until = min(of.until, record.arrived_ms / 1000)

    def committed(self, lasts: Mapping[int, Record]) -> None:
        """Note the last record of each partition of a batch that is committed."""
        now = self._clock()
        for partition, record in lasts.items():
            if of := self._partitions.get(partition):
                of.held, of.position = False, record.next_offset
                of.until = min(now, max(of.until, record.arrived_ms / 1000))

    def ends_at(self, partition: int, end: int) -> None:
        """Note where a partition's log ends. What is older than what is known comes, too: the last fetch's."""
        if of := self._partitions.get(partition):
            of.end = max(of.end, end)

    def drained(self, partition: int, end: int, at: float) -> None:
        """Note that at an instant (epoch seconds) everything before a partition's end had been handed out."""
        of = self._partitions.get(partition)
        if of is not None and not of.held:
            of.position, of.until = max(of.position, end), max(of.until, at)

    def describe(self) -> Iterator[Metric]:
        """Return the metrics' names and meanings."""
        yield _records(self._lane)
        yield _seconds(self._lane)

    def collect(self) -> Iterator[Metric]:
        """Return the figures of this moment."""
        now, records, seconds = self._clock(), _records(self._lane), _seconds(self._lane)
        for partition, of in sorted(self._partitions.items()):
            records.add_metric([str(lanes.own(partition))], of.records())
            seconds.add_metric([str(lanes.own(partition))], of.seconds(now))
        yield records
        yield seconds


class Latencies(Collector):
    """How long events took from their receipt by ingest to their commit. One observation an event, made in bulk."""

    BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts, self._sum = [0] * (len(self.BOUNDS) + 1), 0.0

    def committed(self, records: Sequence[Record]) -> None:
        """Count the events of a batch that is committed; those that ingest did not write say nothing of it."""
        now_ms = self._clock() * 1000
        for received_at_ms, events in Counter([record.received_at_ms for record in records]).items():
            if received_at_ms is not None:
                seconds = max(0.0, now_ms - received_at_ms) / 1000
                self._counts[bisect_left(self.BOUNDS, seconds)] += events
                self._sum += seconds * events

    def describe(self) -> Iterator[Metric]:
        """Return the metric's name and meaning."""
        yield HistogramMetricFamily(*_LATENCY)

    def collect(self) -> Iterator[Metric]:
        """Return the figures of this moment."""
        bounds = [*map(str, self.BOUNDS), "+Inf"]
        buckets = list(zip(bounds, accumulate(map(float, self._counts)), strict=True))
        yield HistogramMetricFamily(*_LATENCY, buckets=buckets, sum_value=self._sum)


_LATENCY: Final = (
    "daymark_event_commit_seconds",
    "Time from an event's receipt by ingest to the commit of its outcome",
)


def _records(lane: str) -> GaugeMetricFamily:
    if lane:
        return GaugeMetricFamily(
            f"daymark_{lane}_lag_records", "Lag of segment.backfill in records, by partition", labels=["partition"]
        )
    return GaugeMetricFamily(
        "daymark_lag_records",
        "Lag in records: the partition's last known end minus its committed offset",
        labels=["partition"],
    )


def _seconds(lane: str) -> GaugeMetricFamily:
    if lane:
        return GaugeMetricFamily(
            f"daymark_{lane}_lag_seconds",
            "Lag of segment.backfill in seconds: age of the oldest uncommitted event",
            labels=["partition"],
        )
    return GaugeMetricFamily(
        "daymark_event_lag_seconds",
        "Lag in seconds: age of the partition's oldest uncommitted event; grows while nothing moves: alert",
        labels=["partition"],
    )
