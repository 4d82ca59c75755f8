"""A consumer as librdkafka has it: fetches ahead, tells of partitions while it is polled, keeps pauses.

Its calls are those that `processor.source` and the parts below it make. Known traits, kept: a pause outlives the
assignment; the metadata of the group are those of the driver at this moment, and blank once it knows that it is lost;
records of a partition that is revoked while a call gathers records stay in what that call returns.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from confluent_kafka import OFFSET_INVALID, KafkaError, TopicPartition

from schemas import headers
from tests.world.client import Client, Closed, failed
from tests.world.cluster import Cluster, Raw
from tests.world.kernel import Event, Process
from tests.world.member import Change, Member
from tests.world.requests import Fetch, ListOffsets, Membership, OffsetCommit, OffsetFetch, Refused

_QUEUE: Final = 1_000  # records that are fetched ahead
_BACKOFF_S: Final = 0.05
_REPORT_EVERY_S: Final = 1.0
_STATISTICS: Final = '{"cgrp": {"state": "up", "stateage": 0, "join_state": "%s"}, "topics": {}}'


class Message:
    """The part of confluent_kafka.Message that a worker uses."""

    __slots__ = ("_error", "raw", "version")

    def __init__(self, raw: Raw, version: int = 0, error: KafkaError | None = None) -> None:
        self.raw, self.version, self._error = raw, version, error

    def error(self) -> KafkaError | None:
        return self._error

    def partition(self) -> int:
        return self.raw.partition

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

    def __init__(self) -> None:
        self.version, self.next, self.fetched = 0, -1, -1


class WorldConsumer:
    """The part of confluent_kafka.Consumer that a worker uses."""

    def __init__(self, config: Mapping[str, Any], process: Process, cluster: Cluster, topic: str) -> None:
        self._client = Client(process, cluster, "consumer", 10.0, 0.02)
        self._kernel, self._topic = cluster.kernel, topic
        self.member = Member(self._client, config, len(cluster.raw), self._tell)
        self._changes: deque[Change] = deque()
        self._queue: deque[Message] = deque()
        self._something = Event()
        self._toppars: dict[int, _Toppar] = {}
        self._paused: set[int] = set()
        self._ends: dict[int, int] = {}
        self._has_assigned = False
        self._is_closed = False
        self._stats_cb, self._report_s = config["stats_cb"], 0.0

    def subscribe(self, _topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        """Join the group."""
        self._callbacks = callbacks
        self.member.start()

    def consume(self, most: int, timeout: float) -> list[Message]:
        """Return up to so many records within some seconds, and tell of partitions."""
        self.member.polled_s = now = self._kernel.now
        until, found = now + timeout, list[Message]()
        self._report()
        while True:
            self._serve()
            if self.member.fatal:
                error = KafkaError(getattr(KafkaError, self.member.fatal), self.member.fatal, fatal=True)
                return [*found, Message(Raw(0, -1, b"", "", 0), error=error)]
            while self._queue and len(found) < most:
                found.append(self._taken(self._queue.popleft()))
            left = until - self._kernel.now
            if len(found) >= most or left <= 0:
                return found
            self._something = Event()
            self._kernel.wait(self._something, left)

    def consumer_group_metadata(self) -> Membership:
        """Return what the driver knows of its membership now."""
        return self.member.membership

    def memberid(self) -> str:
        """Return the member's id; empty: it is none."""
        return self.member.membership.member

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Have exactly these."""
        self._has_assigned = True
        self._drop(frozenset(self._toppars))
        self._add(frozenset(there.partition for there in partitions))

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Have these, too."""
        self._has_assigned = True
        self._add(frozenset(there.partition for there in partitions))

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Return no records of these, until they are resumed: also where they go and come back meanwhile."""
        for there in partitions:
            self._paused.add(there.partition)
            self._void(there.partition)

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """End a pause."""
        for there in partitions:
            self._paused.discard(there.partition)
            self._void(there.partition)

    def seek(self, place: TopicPartition) -> None:
        """Go on elsewhere."""
        toppar = self._toppars.get(place.partition)
        if toppar is None:
            raise failed("_STATE")
        toppar.next = max(place.offset, 0)
        self._void(place.partition)

    def committed(self, places: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        """Return the group's offsets, once no transaction changes them."""
        if not places:
            return []
        until = self._kernel.now + timeout
        request = OffsetFetch(frozenset(there.partition for there in places))
        while self._kernel.now < until:
            try:
                found = self._client.ask(request, until=lambda: self._kernel.now > until, timeout_s=timeout)
            except Refused:
                self._kernel.sleep(_BACKOFF_S)
            except Closed:
                break
            else:
                return [
                    TopicPartition(self._topic, each, at if at >= 0 else OFFSET_INVALID) for each, at in found.items()
                ]
        raise failed("_TIMED_OUT", retriable=True)

    def commit(self, offsets: Sequence[TopicPartition], **_: Any) -> None:
        """Commit offsets outside of any transaction."""
        found = {there.partition: there.offset for there in offsets}
        try:
            self._client.ask(OffsetCommit(self.member.membership, found))
        except Refused as refused:
            raise failed(refused.code) from refused

    def offsets_for_times(self, _places: Sequence[TopicPartition], _timeout: float) -> list[TopicPartition]:
        """Return the ends of logs: nobody answers, which only a gauge would notice."""
        return []

    def get_watermark_offsets(self, place: TopicPartition, timeout: float, *, cached: bool = False) -> Any:
        """Return the ends of a log: as the last fetch had them, or as its leader says; None: it does not in time."""
        if cached:
            end = self._ends.get(place.partition)
            return (OFFSET_INVALID, OFFSET_INVALID) if end is None else (0, end)
        until = self._kernel.now + timeout
        with suppress(Closed):
            request = ListOffsets(place.partition)
            return self._client.ask(request, until=lambda: self._kernel.now > until, timeout_s=timeout)
        return None

    def close(self) -> None:
        """Let go of everything, and leave the group."""
        if not self._is_closed:
            self._is_closed = True
            if self._toppars and self.member.fatal is None:
                self._apply(Change("revoke", frozenset(self._toppars)))
            self.member.leave()
            self._client.close()

    # Partitions.

    def _tell(self, change: Change) -> None:
        self._changes.append(change)
        self._kernel.set(self._something)

    def _report(self) -> None:
        """Pass on statistics, as far as they are about the group."""
        if self._kernel.now >= self._report_s:
            self._report_s = self._kernel.now + _REPORT_EVERY_S
            self._stats_cb(_STATISTICS % self.member.state)

    def _serve(self) -> None:
        while self._changes:
            change = self._changes.popleft()
            self._apply(change)
            self._kernel.set(change.done)

    def _apply(self, change: Change) -> None:
        places = [TopicPartition(self._topic, partition) for partition in sorted(change.partitions)]
        if change.kind == "assign":
            self._has_assigned = False
            self._callbacks["on_assign"](self, places)
            if not self._has_assigned:
                self._add(change.partitions)
            return
        self._callbacks["on_lost" if change.kind == "lost" else "on_revoke"](self, places)
        self._drop(change.partitions)

    def _add(self, partitions: frozenset[int]) -> None:
        for partition in sorted(partitions):
            toppar = self._toppars[partition] = _Toppar()
            self._client.spawn(partial(self._fetch, partition, toppar))

    def _drop(self, partitions: frozenset[int]) -> None:
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
            found = self._client.ask(OffsetFetch(frozenset({partition})), until=is_over)
        except Refused:
            self._kernel.sleep(_BACKOFF_S)
        else:
            if toppar.fetched < 0 and not is_over():
                toppar.next = toppar.fetched = max(found[partition], 0)
