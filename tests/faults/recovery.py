"""How long a killed worker's partitions stand still: from the kill until their committed offsets advance again."""

import json
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import Topics

_EVERY_S = 0.1


class Standstill(NamedTuple):
    """One kill: when, and for how long each of the worker's partitions stood still; None: to the end."""

    at_s: float
    partitions: dict[int, float | None]


class Watch:
    """Looks at the group's committed offsets, from a thread, and notes when each partition's advances."""

    def __init__(self, kafka: str, topics: Topics, group: str, partitions: int) -> None:
        self.advances: list[list[float]] = [[] for _ in range(partitions)]
        self._places = [TopicPartition(topics.events, partition) for partition in range(partitions)]
        # Without read_committed, so that the answer does not wait for open transactions.
        self._consumer = Consumer(
            {"bootstrap.servers": kafka, "group.id": group, "isolation.level": "read_uncommitted", "log_level": 2}
        )
        self._offsets = [-1] * partitions
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join(30)
        self._consumer.close()

    def standstill(self, killed_at: float, partitions: Sequence[int]) -> Standstill:
        """Return how long the partitions of a worker stood still after its kill at `killed_at` (monotonic)."""
        found: dict[int, float | None] = {}
        for partition in partitions:
            advances = self.advances[partition]
            place = bisect_right(advances, killed_at)
            found[partition] = advances[place] - killed_at if place < len(advances) else None
        return Standstill(killed_at, found)

    def longest_gap(self) -> float:
        """Return the longest time in which nothing at all was committed."""
        every = sorted(at for advances in self.advances for at in advances)
        return max((after - before for before, after in pairwise(every)), default=0.0)

    def lags(self) -> dict[int, int]:
        """Return how many records the group had still to commit, where there were any, when it was last looked at.

        Raises:
            KafkaException: nobody can tell.
        """
        ends = [self._consumer.get_watermark_offsets(place, 5, cached=False)[1] for place in self._places]
        lags = {
            place: end - max(offset, 0) for place, (end, offset) in enumerate(zip(ends, self._offsets, strict=True))
        }
        return {partition: lag for partition, lag in lags.items() if lag}

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_S):
            try:
                found = self._consumer.committed(self._places, 5)
            except KafkaException:
                continue
            now = time.monotonic()
            for place in found:
                if place.error is None and place.offset > self._offsets[place.partition]:
                    self._offsets[place.partition] = place.offset
                    self.advances[place.partition].append(now)


def held(log: Path, since: int) -> set[int]:
    """Return the partitions that a worker held at the end of its log, which began at byte `since`."""
    partitions: set[int] = set()
    with log.open("rb") as file:
        file.seek(since)
        for line in file:
            if b'"partitions.' in line and line.endswith(b"\n"):
                said = json.loads(line)
                partitions |= set(said.get("came", ()))
                partitions -= set(said.get("went", ()))
    return partitions
