"""A consumer's partitions as librdkafka reads them: fetched ahead, sought, paused, asked about; by no group's orders.

Known traits, kept: a pause outlives the assignment; what was fetched before a seek or a pause is not returned.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from confluent_kafka import OFFSET_INVALID, KafkaError, TopicPartition

from schemas import headers, lanes
from tests.model.fleet import TOPICS
from tests.world.client import Client, Closed, failed
from tests.world.cluster import Cluster, Raw
from tests.world.kernel import Event, Process
from tests.world.requests import Fetch, ListOffsets, OffsetFetch, Refused

_QUEUE: Final = 1_000  # records that are fetched ahead
_BACKOFF_S: Final = 0.05
_REPORT_EVERY_S: Final = 1.0
_STATISTICS: Final = '{"cgrp": {"state": "up", "stateage": 0, "join_state": "%s"}, "topics": {}}'


def numbered(place: TopicPartition) -> int:
    """Return the number of a partition of either raw topic (`schemas.lanes`)."""
    return int(place.partition) + (lanes.BACKFILL if place.topic == TOPICS.backfill else 0)


class Message:
    """The part of confluent_kafka.Message that a worker uses."""

    __slots__ = ("_error", "raw", "version")

    def __init__(self, raw: Raw, version: int = 0, error: KafkaError | None = None) -> None:
        self.raw, self.version, self._error = raw, version, error

    def error(self) -> KafkaError | None:
        return self._error

    def partition(self) -> int:
        return lanes.own(self.raw.partition)

    def offset(self) -> int:
        return self.raw.offset

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes:
        return self.raw.value

    def timestamp(self) -> tuple[int, int]:
        return 1, self.raw.at_ms

    def headers(self) -> Any:
        return headers.pack(self.raw.workspace, self.raw.at_ms)


class _Toppar:
    """A partition that is assigned: where to fetch, and the version of that: a seek or a pause makes fetches void."""

    def __init__(self, begin: int = -1) -> None:
        self.version, self.next, self.fetched = 0, begin, begin


class WorldReader:
    """The part of confluent_kafka.Consumer that `processor.lane` uses: it is told what to read, and joins no group.

    Partitions have their numbers of `schemas.lanes` within, and their own in what the application sees.
    """

    def __init__(
        self, config: Mapping[str, Any], process: Process, cluster: Cluster, topic: str, base: int = lanes.BACKFILL
    ) -> None:
        self._client = Client(process, cluster, "consumer", 10.0, 0.02)
        self._kernel, self._topic, self._base = cluster.kernel, topic, base
        self._queue: deque[Message] = deque()
        self._something = Event()
        self._toppars: dict[int, _Toppar] = {}
        self._paused: set[int] = set()
        self._ends: dict[int, int] = {}
        self._stats_cb, self._report_s = config["stats_cb"], 0.0

    def consume(self, most: int, timeout: float) -> list[Message]:
        """Return up to so many records within some seconds."""
        until, found = self._kernel.now + timeout, list[Message]()
        self._report()
        while True:
            self._serve()
            if fatal := self._fatal():
                error = KafkaError(getattr(KafkaError, fatal), fatal, fatal=True)
                return [*found, Message(Raw(0, -1, b"", "", 0), error=error)]
            while self._queue and len(found) < most:
                found.append(self._taken(self._queue.popleft()))
            left = until - self._kernel.now
            if len(found) >= most or left <= 0:
                return found
            self._something = Event()
            self._kernel.wait(self._something, left)

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Have these, too, from the offsets that they name."""
        for there in partitions:
            self._begin_at(self._number(there), max(there.offset, 0))

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        """Have these no longer."""
        self._drop(self._numbers(partitions))

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Return no records of these, until they are resumed: also where they go and come back meanwhile."""
        for there in partitions:
            self._paused.add(self._number(there))
            self._void(self._number(there))

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """End a pause."""
        for there in partitions:
            self._paused.discard(self._number(there))
            self._void(self._number(there))

    def seek(self, place: TopicPartition) -> None:
        """Go on elsewhere."""
        toppar = self._toppars.get(self._number(place))
        if toppar is None:
            raise failed("_STATE")
        toppar.next = max(place.offset, 0)
        self._void(self._number(place))

    def committed(self, places: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        """Return the group's offsets, once no transaction changes them."""
        if not places:
            return []
        until = self._kernel.now + timeout
        request = OffsetFetch(frozenset(map(numbered, places)), self.memberid())
        while self._kernel.now < until:
            try:
                found = self._client.ask(request, until=lambda: self._kernel.now > until, timeout_s=timeout)
            except Refused:
                self._kernel.sleep(_BACKOFF_S)
            except Closed:
                break
            else:
                return [
                    TopicPartition(places[0].topic, lanes.own(each), at if at >= 0 else OFFSET_INVALID)
                    for each, at in found.items()
                ]
        raise failed("_TIMED_OUT", retriable=True)

    def offsets_for_times(self, _places: Sequence[TopicPartition], _timeout: float) -> list[TopicPartition]:
        """Return the ends of logs: nobody answers, which only a gauge would notice."""
        return []

    def get_watermark_offsets(self, place: TopicPartition, timeout: float, *, cached: bool = False) -> Any:
        """Return the ends of a log: as the last fetch had them, or as its leader says; None: it does not in time."""
        if cached:
            end = self._ends.get(self._number(place))
            return (OFFSET_INVALID, OFFSET_INVALID) if end is None else (0, end)
        until = self._kernel.now + timeout
        with suppress(Closed):
            request = ListOffsets(self._number(place))
            return self._client.ask(request, until=lambda: self._kernel.now > until, timeout_s=timeout)
        return None

    def memberid(self) -> str:
        """Return the member's id; empty: it is none."""
        return ""

    def close(self) -> None:
        """Let go of everything."""
        self._client.close()

    # What a member of a group does besides.

    def _serve(self) -> None:
        """Tell the application what it is to know."""

    def _fatal(self) -> str | None:
        """Return the error that ends this consumer."""
        return None

    def _state(self) -> str:
        """Return the state of joining a group."""
        return "init"

    # Partitions.

    def _number(self, place: TopicPartition) -> int:
        return self._base + int(place.partition)

    def _numbers(self, places: Sequence[TopicPartition]) -> frozenset[int]:
        return frozenset(self._number(place) for place in places)

    def _report(self) -> None:
        """Pass on statistics, as far as they are about the group."""
        if self._kernel.now >= self._report_s:
            self._report_s = self._kernel.now + _REPORT_EVERY_S
            self._stats_cb(_STATISTICS % self._state())

    def _begin_at(self, partition: int, offset: int) -> None:
        """Read a partition from an offset; negative: from the group's."""
        toppar = self._toppars[partition] = _Toppar(offset)
        self._client.spawn(partial(self._fetch, partition, toppar))

    def _drop(self, partitions: Collection[int]) -> None:
        for partition in partitions:
            self._void(partition)
            self._toppars.pop(partition, None)

    # Records.

    def _taken(self, message: Message) -> Message:
        toppar = self._toppars[message.raw.partition]
        toppar.next = message.raw.offset + 1
        return message

    def _void(self, partition: int) -> None:
        """What was fetched of a partition, or is being fetched, is not returned."""
        toppar = self._toppars.get(partition)
        if toppar is not None:
            toppar.version += 1
            toppar.fetched = toppar.next
            self._queue = deque(message for message in self._queue if message.raw.partition != partition)
            if toppar.version > 0 and partition not in self._paused:
                self._client.spawn(partial(self._fetch, partition, toppar))

    def _fetch(self, partition: int, toppar: _Toppar) -> None:
        """Fetch ahead until something else is wanted of this partition."""
        version = toppar.version

        def is_over() -> bool:
            return self._toppars.get(partition) is not toppar or toppar.version != version

        while not is_over() and partition not in self._paused:
            if toppar.fetched < 0:
                self._begin(partition, toppar, is_over)
                continue
            if len(self._queue) >= _QUEUE:
                self._kernel.sleep(_BACKOFF_S)
                continue
            request = Fetch(partition, toppar.fetched, _QUEUE)
            records, self._ends[partition] = self._client.ask(request, until=is_over, timeout_s=30.0)
            if records and not is_over():
                self._queue.extend(Message(raw, version) for raw in records)
                toppar.fetched = records[-1].offset + 1
                self._kernel.set(self._something)

    def _begin(self, partition: int, toppar: _Toppar, is_over: Callable[[], bool]) -> None:
        """Begin at the group's offset, unless the application has said where."""
        try:
            found = self._client.ask(OffsetFetch(frozenset({partition}), self.memberid()), until=is_over)
        except Refused:
            self._kernel.sleep(_BACKOFF_S)
        else:
            if toppar.fetched < 0 and not is_over():
                toppar.next = toppar.fetched = max(found[partition], 0)
