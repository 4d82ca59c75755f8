"""How long a killed worker's partitions stand still: from the kill until their committed offsets advance again."""

import json
import math
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.topics import Topics

_EVERY_S = 0.1
# A commit that was on its way at the kill shows within so many seconds. Nothing that comes after can commit so soon.
_ON_ITS_WAY_S = 0.25


class Killed(NamedTuple):
    """A worker's kill: when, and its partitions, each with the time from which it was the dead one's.

    Times are in monotonic seconds: the kill's own for what it held, a later one for what the group gave to the dead.
    """

    at: float
    partitions: Mapping[int, float]


class Recovery(NamedTuple):
    """What came of the partitions of killed workers.

    Attributes:
        seconds: of each kill that is judged: for how long the slowest of its partitions stood still.
        late: the kills with a partition that stood still for longer than the limit, in words.
        cut_short: partitions that went, before the limit was over, to another one killed: judged from its kill.
        empty: kills of workers that held no partition.
    """

    seconds: list[float]
    late: list[str]
    cut_short: int
    empty: int


def judge(kills: Sequence[Killed], advances: Sequence[Sequence[float]], limit_s: float) -> Recovery:
    """Judge every kill.

    Args:
        kills: in the order of time.
        advances: for each partition when its committed offset was seen to have advanced, in that order.
        limit_s: how long a partition may stand still.
    """
    found = Recovery([], [], 0, 0)
    cut_short = 0
    for number, kill in enumerate(kills):
        stood: dict[int, float] = {}
        for partition, since in kill.partitions.items():
            seconds = _moves_again(since, advances[partition]) - kill.at
            if seconds > limit_s and _is_hit_again(kills[number + 1 :], partition, kill.at + limit_s):
                cut_short += 1
            else:
                stood[partition] = seconds
        slowest = max(stood.values(), default=None)
        if slowest is not None:
            found.seconds.append(slowest)
        late = {partition: round(seconds, 1) for partition, seconds in stood.items() if seconds > limit_s}
        found.late.extend(
            [f"kill {number + 1}: partitions stood still, by number, for seconds: {late}"] if late else []
        )
    return found._replace(cut_short=cut_short, empty=sum(not kill.partitions for kill in kills))


def _moves_again(since: float, advances: Sequence[float]) -> float:
    place = bisect_right(advances, since + _ON_ITS_WAY_S)
    return advances[place] if place < len(advances) else math.inf


def _is_hit_again(kills: Iterable[Killed], partition: int, until: float) -> bool:
    return any(kill.at <= until and kill.partitions.get(partition, math.inf) <= until for kill in kills)


class Watch:
    """Looks at the group's committed offsets, from a thread, and notes when each partition's advances."""

    def __init__(self, kafka: str, topics: Topics, group: str, partitions: int, keeps: int | None = None) -> None:
        """Begin to look; of each partition's advances the last `keeps` are kept, all by default."""
        self.advances: list[deque[float]] = [deque(maxlen=keeps) for _ in range(partitions)]
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

    @property
    def committed(self) -> int:
        """How many records the group had committed when it was last looked at."""
        return sum(max(offset, 0) for offset in self._offsets)

    @property
    def moves(self) -> bool:
        """Whether something was committed in every partition."""
        return all(self.advances)

    def longest_gap(self) -> float:
        """Return the longest time in which nothing at all was committed."""
        every = sorted(at for advances in self.advances for at in advances)
        return max((after - before for before, after in pairwise(every)), default=0.0)

    def lags(self) -> dict[int, int]:
        """Return how many records the group had still to commit, where there were any, when it was last looked at.

        Raises:
            KafkaException: nobody answers.
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
