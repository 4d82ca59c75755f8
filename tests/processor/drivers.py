"""Scripted fakes of Kafka's driver, for `source` and `sink`: they write down every call, and do and fail as planned."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, Message, TopicPartition

TOPIC = "segment.events"

Calls = list[tuple[Any, ...]]
Offsets = dict[int, int]


Step = Exception | Callable[[], object]


class Plans:
    """What each call of a driver raises or does: the first of its steps, then the next, then nothing."""

    def __init__(self) -> None:
        self._steps: dict[str, list[Step]] = defaultdict(list)

    def plan(self, call: str, *steps: Step) -> None:
        self._steps[call] += steps

    def meet(self, call: str) -> None:
        if not self._steps[call]:
            return
        step = self._steps[call].pop(0)
        if isinstance(step, Exception):
            raise step
        step()


class FakeConsumer:
    """A consumer whose calls of `consume` play `script`: messages to hand out, and things to do on the way."""

    def __init__(self) -> None:
        self.config: Mapping[str, Any] = {}
        self.script: list[Message | Callable[[FakeConsumer], None]] = []
        self.plans = Plans()
        self.calls: Calls = []
        self.asks: list[float] = []  # for how long committed offsets were waited for
        self.waits: list[float] = []  # how long each call of `consume` would wait
        self.membership, self.member = "membership", "member"
        self.blank_soon = False  # the member id goes while the membership is asked for
        self.group_offsets: Offsets = {}
        self.lane_offsets: Offsets = {}  # of a backfill
        self.marks: dict[int, tuple[int, int]] = {}  # where each log begins and ends, and what the last fetch said
        self.cached_marks: dict[int, tuple[int, int]] = {}
        self.unreadable: KafkaError | None = None  # what is wrong with each of them

    def made(self, config: Mapping[str, Any]) -> Any:
        self.config = config
        return self

    def called(self, *names: str) -> Calls:
        return [call for call in self.calls if call[0] in names]

    def subscribe(self, topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        self.calls.append(("subscribe", *topics))
        self._callbacks = callbacks

    def rebalance(self, callback: str, partitions: Iterable[int]) -> None:
        self._callbacks[callback](self, [TopicPartition(TOPIC, partition) for partition in partitions])

    def consume(self, most: int, timeout: float) -> list[Message]:
        self.waits.append(timeout)
        messages: list[Message] = []
        while self.script and (len(messages) < most or not isinstance(self.script[0], Message)):
            step = self.script.pop(0)
            if isinstance(step, Message):
                messages.append(step)
            else:
                step(self)
        return messages

    def consumer_group_metadata(self) -> str:
        if self.blank_soon:
            self.member = ""
        return self.membership

    def memberid(self) -> str:
        return self.member

    def seek(self, place: TopicPartition) -> None:
        self.plans.meet("seek")
        self.calls.append(("seek", place.partition, place.offset))

    def committed(self, places: list[TopicPartition], timeout: float) -> list[Any]:
        self.asks.append(timeout)
        self.plans.meet("committed")
        offsets = {TOPIC: self.group_offsets}
        return [
            SimpleNamespace(
                partition=place.partition,
                offset=offsets.get(place.topic, self.lane_offsets).get(place.partition, OFFSET_INVALID),
                error=self.unreadable,
            )
            for place in places
        ]

    def get_watermark_offsets(self, place: TopicPartition, _timeout: float, *, cached: bool) -> tuple[int, int] | None:
        self.plans.meet("watermarks")
        return (self.cached_marks if cached else self.marks).get(place.partition)

    def offsets_for_times(self, places: list[TopicPartition], _timeout: float) -> list[Any]:
        return [
            SimpleNamespace(partition=place.partition, offset=self.marks[place.partition][1], error=None)
            for place in places
            if place.partition in self.marks
        ]

    def pause(self, places: list[TopicPartition]) -> None:
        self.plans.meet("pause")
        self._note("pause", places)

    def resume(self, places: list[TopicPartition]) -> None:
        self._note("resume", places)

    def assign(self, places: list[TopicPartition]) -> None:
        self._note("assign", places)

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self._note("incremental_assign", places)

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        self._note("incremental_unassign", places)

    def close(self) -> None:
        self.calls.append(("close",))
        self.plans.meet("close")

    def _note(self, call: str, places: list[TopicPartition]) -> None:
        self.calls.append((call, *[place.partition for place in places]))


def came(*partitions: int) -> Callable[[FakeConsumer], None]:
    return lambda consumer: consumer.rebalance("on_assign", partitions)


def revoked(*partitions: int) -> Callable[[FakeConsumer], None]:
    return lambda consumer: consumer.rebalance("on_revoke", partitions)


def lost(*partitions: int) -> Callable[[FakeConsumer], None]:
    return lambda consumer: consumer.rebalance("on_lost", partitions)


def complaint(code: int) -> Callable[[FakeConsumer], None]:
    return lambda consumer: consumer.config["error_cb"](KafkaError(code))


class FakeProducers:
    """Makes producers; the calls of all of them are one list. `send` hangs while `gate` is closed."""

    def __init__(self) -> None:
        self.configs: list[Mapping[str, Any]] = []
        self.plans = Plans()
        self.calls: Calls = []
        self.waits: list[tuple[str, float]] = []  # how long each call of a transaction would wait
        self.complaints: list[int] = []  # reported at the next `poll`
        self.lines: list[tuple[str, int]] = []  # of the driver's log, facility and level: told at the next `poll`
        self.gate = threading.Event()
        self.gate.set()

    def make(self, config: Mapping[str, Any]) -> Any:
        self.configs.append(config)
        return FakeProducer(self, config)

    def told(self, *but: str) -> Calls:
        return [call for call in self.calls if call[0] not in but]


class FakeProducer:
    """One of them."""

    def __init__(self, producers: FakeProducers, config: Mapping[str, Any]) -> None:
        self._all, self._config = producers, config

    def init_transactions(self, _timeout: float) -> None:
        self._call("init")

    def begin_transaction(self) -> None:
        self._call("begin")

    def produce(self, topic: str, value: bytes, key: bytes | None, partition: int, *, headers: Any = None) -> None:
        self._call("produce", topic, value, key, partition, *([headers] if headers else ()))

    def send_offsets_to_transaction(self, places: list[TopicPartition], membership: Any, timeout: float) -> None:
        self._all.waits.append(("send", timeout))
        self._call("send", {(place.topic, place.partition): place.offset for place in places}, membership)
        assert self._all.gate.wait(60)

    def commit_transaction(self, timeout: float) -> None:
        self._all.waits.append(("commit", timeout))
        self._call("commit")

    def abort_transaction(self, timeout: float) -> None:
        self._all.waits.append(("abort", timeout))
        self._call("abort")

    def poll(self, timeout: float) -> None:
        self._call("poll")
        while self._all.complaints:
            self._config["error_cb"](KafkaError(self._all.complaints.pop(0)))
        while self._all.lines:
            facility, level = self._all.lines.pop(0)
            self._config["logger"].log(level, "%s [%s] %s", facility, "rdkafka#producer-1", "broker 1: Disconnected")

    def purge(self) -> None:
        self._call("purge")

    def flush(self, _timeout: float) -> None:
        self._call("flush")

    def _call(self, call: str, *arguments: Any) -> None:
        self._all.calls.append((call, *arguments))
        self._all.plans.meet(call)


def failure(code: int, **flags: bool) -> KafkaException:
    """Return what a driver's call raises; flags: fatal, retriable, txn_requires_abort."""
    return KafkaException(KafkaError(code, None, **flags))
