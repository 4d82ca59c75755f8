"""One suite for the group and the transactions: the fakes and the real things. What the model believes is true."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pytest
from confluent_kafka import Consumer, TopicPartition

from processor.errors import Aborted, SessionLost
from processor.ports import SinkPort, SourcePort
from processor.records import Batch, Output
from processor.sink import Sink
from processor.source import Source
from tests.fake_kafka import BLANK, FakeKafka
from tests.fakes import FakeSink, FakeSource
from tests.flows import Road, visit, wait_until
from tests.turns import Faults

RECORDS = 5
PARTITIONS = 4


class Ground(Protocol):
    """A raw topic of some records, all in one partition, and what reads and writes there."""

    def source(self) -> SourcePort: ...

    def sink(self, transactional_id: str = "slot") -> SinkPort: ...

    def output(self, value: bytes) -> Output: ...

    def written(self) -> list[bytes]:
        """What a reader of committed records sees."""

    def committed(self) -> int:
        """The group's offset in the partition of the records, 0 when there is none."""

    def blank(self) -> Any:
        """The membership of a consumer that never joined."""


class FakeGround:
    def __init__(self) -> None:
        self._kafka = FakeKafka(PARTITIONS)
        for _ in range(RECORDS):
            self._kafka.append(b"")

    def source(self) -> SourcePort:
        return FakeSource(self._kafka, Faults())

    def sink(self, transactional_id: str = "slot") -> SinkPort:
        return FakeSink(self._kafka, Faults(), transactional_id)

    def output(self, value: bytes) -> Output:
        return Output("interactions", b"key", value, 0)

    def written(self) -> list[bytes]:
        return [output.value for output in self._kafka.written]

    def committed(self) -> int:
        return self._kafka.committed.get(0, 0)

    def blank(self) -> Any:
        return BLANK


class RealGround:
    def __init__(self, road: Road) -> None:
        self._road = road
        road.send([visit(1)] * RECORDS)
        self._group = {"bootstrap.servers": road.kafka, "group.id": road.group}
        self._parts: list[Source | Sink] = []

    def source(self) -> SourcePort:
        config = {
            **self._group,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 300,
        }
        source = Source(config, self._road.topics.events, 100, lambda: b"mark")
        source.join()
        self._parts.append(source)
        return source

    def sink(self, transactional_id: str = "slot") -> SinkPort:
        name = f"{self._road.topics.prefix}{transactional_id}"
        config = {"bootstrap.servers": self._road.kafka, "transactional.id": name, "transaction.timeout.ms": 10_000}
        sink = Sink(config, self._road.topics.events, 10.0)
        self._parts.append(sink)
        return sink

    def output(self, value: bytes) -> Output:
        return Output(self._road.topics.interactions, b"key", value, 0)

    def written(self) -> list[bytes]:
        return [record.value for record in self._road.committed(self._road.topics.interactions)]

    def committed(self) -> int:
        consumer = Consumer(self._group)
        try:
            places = [TopicPartition(self._road.topics.events, partition) for partition in range(PARTITIONS)]
            return max(*(place.offset for place in consumer.committed(places, 20)), 0)
        finally:
            consumer.close()

    def blank(self) -> Any:
        consumer = Consumer(self._group)
        try:
            return consumer.consumer_group_metadata()
        finally:
            consumer.close()

    def close(self) -> None:
        for part in self._parts:
            part.close()


@pytest.fixture(params=["fake", "real"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    if request.param == "fake":
        yield FakeGround()
        return
    kafka, topics = request.getfixturevalue("kafka"), request.getfixturevalue("topics")
    real = RealGround(Road(kafka, "redis://unused", topics, b"k" * 16))
    yield real
    real.close()


def read_all(source: SourcePort) -> Batch:
    """Take all records in one batch: a part of them is given back."""
    taken: list[Batch] = []

    def taken_all() -> bool:
        if batch := source.next_batch():
            taken.append(batch)
            if len(batch.records) < RECORDS:
                source.rewind(batch)
        return bool(taken) and len(taken[-1].records) == RECORDS

    wait_until(taken_all, "all records are read", every_s=0)
    return taken[-1]


def move_on(source: SourcePort, other: SourcePort) -> None:
    """Poll two members until the second has its share."""

    def shared() -> bool:
        source.next_batch()
        other.next_batch()
        return bool(other.assigned)

    wait_until(shared, "the partitions are shared out", every_s=0)


def ready(sink: SinkPort) -> SinkPort:
    """Poll a sink until it has fenced those before it."""

    def is_ready() -> bool:
        sink.poll()
        return sink.ready

    wait_until(is_ready, "the sink is ready")
    return sink


def commit(ground: Ground, batch: Batch, values: Sequence[bytes] = (b"result",)) -> None:
    ground.sink().commit([ground.output(value) for value in values], batch)


def is_there(ground: Ground, value: bytes) -> bool:
    """Return whether a reader sees this result, and the group the offsets committed with it."""
    return (ground.written(), ground.committed()) == ([value], RECORDS)


def test_results_and_offsets_are_committed_together(ground: Ground) -> None:
    """Readers see the results, and a new session goes on behind the batch."""
    source = ground.source()
    batch = read_all(source)
    assert (ground.written(), ground.committed()) == ([], 0)
    commit(ground, batch)
    wait_until(
        lambda: is_there(ground, b"result"), "readers see the result"
    )  # once the end of its transaction is written


def test_going_back_reads_again(ground: Ground) -> None:
    source = ground.source()
    batch = read_all(source)
    source.rewind(batch)
    assert read_all(source).records == batch.records


def test_a_producer_is_fenced_by_its_successor(ground: Ground) -> None:
    """Under one transactional id the older producer commits nothing; under another it does."""
    source = ground.source()
    batch, older = read_all(source), ready(ground.sink())
    ready(ground.sink())
    with pytest.raises(SessionLost):
        older.commit([ground.output(b"older")], batch)
    assert (ground.written(), ground.committed()) == ([], 0)
    ground.sink("another").commit([ground.output(b"another")], batch)
    wait_until(lambda: is_there(ground, b"another"), "readers see the result")


def test_a_membership_of_before_is_refused(ground: Ground) -> None:
    """Once the group shared its partitions out anew, a batch of before comes to nothing, and its sink goes on."""
    source, sink = ground.source(), ground.sink()
    batch = read_all(source)
    move_on(source, ground.source())
    with pytest.raises(Aborted):
        sink.commit([ground.output(b"of before")], batch)
    assert (ground.written(), ground.committed()) == ([], 0)


def test_who_left_is_refused(ground: Ground) -> None:
    """A batch of a member that is none any more comes to nothing."""
    source, sink = ground.source(), ground.sink()
    batch = read_all(source)
    source.close()
    with pytest.raises(Aborted):
        sink.commit([ground.output(b"of before")], batch)
    assert (ground.written(), ground.committed()) == ([], 0)


def test_nobody_in_particular_is_not_refused(ground: Ground) -> None:
    """The trap: with a blank membership offsets are committed into a group with a live member."""
    source = ground.source()
    batch = read_all(source)
    commit(ground, Batch(batch.records, ground.blank(), batch.incarnation))
    wait_until(lambda: is_there(ground, b"result"), "readers see the result")
