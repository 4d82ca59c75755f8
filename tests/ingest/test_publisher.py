"""The port between the API and Kafka: one suite for the fake and the real one, then what only the real one can show."""

import asyncio
import contextlib
import random
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest
import uvloop
from confluent_kafka import Consumer, Message, TopicPartition

from daymark.local.kafka import Kafka
from ingest.admission import RAW_LIMIT_BYTES, rejected_values
from ingest.delivery import Delivery, Outcome, Record
from ingest.metrics import Metrics
from ingest.publisher import MOST_MESSAGES, BadOptions, Publisher
from schemas import avro, rejections
from schemas.headers import Headers
from schemas.topics import Topics
from tests.ingest.fakes import FakeDelivery
from tests.made import make

HEADERS: Headers = [("workspace", b"acme"), ("received_at", b"1590947747263")]
PATIENCE_SECONDS = 60.0
SOON = 20.0  # a deadline that does not matter

Written = tuple[bytes | None, bytes, Headers | None]


class Stage(NamedTuple):
    """A delivery, and how to read back what it delivered: key, value and headers of events; values of rejections."""

    delivery: Delivery
    events: Callable[[], Awaitable[list[Written]]]
    rejections: Callable[[], Awaitable[list[dict[str, Any]]]]


Open = Callable[[], contextlib.AbstractAsyncContextManager[Stage]]


@pytest.fixture(params=["fake", "real"])
def stage(request: pytest.FixtureRequest) -> Open:
    if request.param == "fake":
        return _fake
    kafka, topics = request.getfixturevalue("kafka"), request.getfixturevalue("topics")
    return lambda: _real(kafka, topics)


def test_delivers(stage: Open) -> None:
    """DELIVERED means that all records of the request are there, with their keys, bytes and headers."""
    records = [(f"p{n}@example.com".encode(), b'{ "n" : %d }' % n) for n in range(100)]

    async def scene() -> None:
        async with stage() as there:
            assert await _publish(there, records) is Outcome.DELIVERED
            assert sorted(await there.events()) == sorted((key, value, HEADERS) for key, value in records)

    uvloop.run(scene())


def test_delivers_many_requests_at_once(stage: Open) -> None:
    """Requests wait side by side, each for its own records."""

    async def scene() -> None:
        async with stage() as there:
            requests = [_publish(there, [(b"a@b.co", b"%d" % n)] * (1 + n % 3)) for n in range(300)]
            assert set(await asyncio.gather(*requests)) == {Outcome.DELIVERED}
            assert len(await there.events()) == sum(1 + n % 3 for n in range(300))

    uvloop.run(scene())


def test_records_rejections(stage: Open) -> None:
    """Rejections are recorded without a wait."""
    (value,) = rejected_values(avro.REJECTED, b"{", rejections.MALFORMED_JSON, "acme", 1_590_947_747_263)

    async def scene() -> None:
        async with stage() as there:
            there.delivery.reject("acme", [value] * 3)
            await there.delivery.close(PATIENCE_SECONDS)
            found = await there.rejections()
            assert [(record["reason"], record["raw"], record["stage"]) for record in found] == [
                ("malformed_json", b"{", "ingest")
            ] * 3

    uvloop.run(scene())


def test_records_what_is_larger_than_a_message(stage: Open) -> None:
    """In parts that a broker takes with its defaults; together they are all that was read."""
    raw = random.Random(5).randbytes(8 * RAW_LIMIT_BYTES + 1)  # lz4 cannot make it fit
    values = list(rejected_values(avro.REJECTED, raw, rejections.TOO_LARGE, "acme", 1_590_947_747_263))

    async def scene() -> None:
        async with stage() as there:
            there.delivery.reject("acme", values)
            await there.delivery.close(PATIENCE_SECONDS)
            found = await there.rejections()
            assert b"".join(record["raw"] for record in sorted(found, key=lambda record: record["message"])) == raw
            assert {record["message"].partition("(")[0] for record in found} == {f"{rejections.TOO_LARGE.message} "}

    uvloop.run(scene())


def test_reserved_room_is_nobody_elses(stage: Open) -> None:
    """What one batch may come to is kept for it until it is published or given up."""

    async def scene() -> None:
        async with stage() as there:
            assert there.delivery.reserve("acme", 20_000, 1_000)
            assert not there.delivery.reserve("acme", 20_000, 1_000)
            assert there.delivery.reserve("other", 10_000, 1_000)
            there.delivery.release("other", 10_000, 1_000)
            there.delivery.release("acme", 20_000, 1_000)
            assert there.delivery.reserve("acme", 20_000, 1_000)
            there.delivery.release("acme", 20_000, 1_000)

    uvloop.run(scene())


def test_client_that_leaves_cancels_nothing(stage: Open) -> None:
    """A record that was handed over is delivered, also when no one waits for it any longer."""

    async def scene() -> None:
        async with stage() as there:
            waiting = asyncio.ensure_future(_publish(there, [(b"a@b.co", b"{}")]))
            await asyncio.sleep(0)
            waiting.cancel()
            await there.delivery.close(PATIENCE_SECONDS)
            assert len(await there.events()) == 1

    uvloop.run(scene())


def test_topics_that_are_missing(kafka: str) -> None:
    """Nothing is published to topics that are not there: Kafka would make them, with one partition."""

    async def scene() -> None:
        async with _real(kafka, Topics("never.")) as there:
            assert await _publish(there, [(b"a@b.co", b"{}")]) is Outcome.UNREADY
            await _until(lambda: "missing topics" in there.delivery.readiness.reason)
            assert await _publish(there, [(b"a@b.co", b"{}")]) is Outcome.UNREADY

    uvloop.run(scene())


def test_one_workspaces_flood_leaves_half_the_queue(kafka: str, topics: Topics) -> None:
    """What a workspace has queued is never more than it leaves free: another's events are taken at the same time."""

    async def scene() -> None:
        async with _real(kafka, topics, most_messages=100) as there:
            floods = [_publish(there, [(b"a@b.co", b"{}")], workspace="flood") for _ in range(200)]
            others = [_publish(there, [(b"a@b.co", b"{}")] * 2, workspace="calm") for _ in range(10)]
            outcomes = await asyncio.gather(*floods, *others)
            assert outcomes[:200].count(Outcome.FULL) == 150
            assert outcomes[200:] == [Outcome.DELIVERED] * 10
            assert there.delivery.has_room("flood")  # all is free again

    uvloop.run(scene())


def test_partitions_are_as_java_has_them(kafka: str, topics: Topics) -> None:
    """A contact's records are where a Java client would put them, so that joins line up."""
    emails = [f"p{n}@example.com" for n in range(50)] + ["ünï@exämple.com"]

    async def scene() -> None:
        async with _real(kafka, topics) as there:
            await _publish(there, [(email.encode(), b"{}") for email in emails])

    uvloop.run(scene())
    messages = read_topic(kafka, topics.events)
    partitions = len({message.partition() for message in messages})
    assert partitions > 1
    assert {message.key(): message.partition() for message in messages} == {
        email.encode(): (_murmur2(email.encode()) & 0x7FFFFFFF) % 4 for email in emails
    }


def test_kafka_goes_and_comes_back(kafka_cluster: Callable[..., Kafka]) -> None:
    """Without Kafka each request has its answer in time, what is queued is bounded, and it recovers by itself."""
    cluster, topics = kafka_cluster(), Topics()
    make(cluster.bootstrap, topics.all(), 1)

    async def scene() -> None:
        async with _real(cluster.bootstrap, topics, most_messages=1_000) as there:
            assert await _publish(there, [(b"a@b.co", b"{}")]) is Outcome.DELIVERED
            cluster.kill()
            outcomes = await asyncio.gather(*(_publish(there, [(b"a@b.co", b"{}")] * 10, 1.0) for _ in range(200)))
            assert outcomes.count(Outcome.FULL) == 150  # the other half of the queue is not for one workspace
            assert set(outcomes) <= {Outcome.LATE, Outcome.FAILED, Outcome.FULL}
            assert not there.delivery.has_room("acme")
            await _until(lambda: not there.delivery.readiness.ready)
            assert "cannot be reached" in there.delivery.readiness.reason
            await _until(lambda: there.delivery.has_room("acme"))  # librdkafka has given them up
            assert await _publish(there, [(b"a@b.co", b"{}")]) is Outcome.FAILED
            await asyncio.to_thread(_start_again, cluster)
            await _until(lambda: there.delivery.readiness.ready)
            await _until_delivered(there)

    uvloop.run(scene())


def test_memory_stays_flat_without_kafka(kafka_cluster: Callable[..., Kafka]) -> None:
    """A hundred thousand refusals cost no memory."""
    cluster, topics = kafka_cluster(), Topics()
    make(cluster.bootstrap, topics.all(), 1)

    async def scene() -> None:
        async with _real(cluster.bootstrap, topics) as there:
            cluster.kill()
            while there.delivery.has_room("acme"):
                await asyncio.gather(*(_publish(there, [(b"a@b.co", b"x" * 1_000)] * 100, 0.0) for _ in range(100)))
            before = _peak_kib()
            for _ in range(1_000):
                await asyncio.gather(*(_publish(there, [(b"a@b.co", b"x" * 1_000)] * 100, 0.0) for _ in range(100)))
            assert _peak_kib() - before < 32 * 1024

    uvloop.run(scene())


def test_options_that_librdkafka_does_not_know() -> None:
    """A wrong option is said in words, its value is not."""

    async def scene() -> None:
        Publisher({"nonsense": "secret"}, Topics(), Metrics())

    with pytest.raises(BadOptions, match='No such configuration property: "nonsense"') as caught:
        uvloop.run(scene())
    assert "secret" not in str(caught.value)


@contextlib.asynccontextmanager
async def _fake() -> AsyncIterator[Stage]:
    delivery = FakeDelivery()

    async def events() -> list[Written]:
        return [(*record, headers) for record, headers in zip(delivery.published, delivery.headers, strict=True)]

    async def rejections() -> list[dict[str, Any]]:
        return delivery.rejected

    yield Stage(delivery, events, rejections)


@contextlib.asynccontextmanager
async def _real(kafka: str, topics: Topics, most_messages: int = MOST_MESSAGES) -> AsyncIterator[Stage]:
    delivery = Publisher({"bootstrap.servers": kafka, "log_level": 0}, topics, Metrics(), most_messages)
    if topics.prefix != "never.":
        await _until(lambda: delivery.readiness.ready)

    async def events() -> list[Written]:
        found = await asyncio.to_thread(read_topic, kafka, topics.events)
        return [(message.key(), message.value() or b"", message.headers()) for message in found]  # type: ignore[misc]

    async def rejections() -> list[dict[str, Any]]:
        found = await asyncio.to_thread(read_topic, kafka, topics.rejected)
        return [avro.decode(message.value() or b"")[1] for message in found]

    try:
        yield Stage(delivery, events, rejections)
    finally:
        await delivery.close(1.0)


async def _publish(stage: Stage, records: list[Record], seconds: float = SOON, workspace: str = "acme") -> Outcome:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[Outcome] = loop.create_future()

    def done(outcome: Outcome) -> None:
        if not told.cancelled():
            told.set_result(outcome)

    stage.delivery.publish(workspace, records, HEADERS, loop.time() + seconds, done)
    return await told


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110  the condition has no event
            await asyncio.sleep(0.01)


async def _until_delivered(stage: Stage) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await _publish(stage, [(b"a@b.co", b"{}")], 4.0) is not Outcome.DELIVERED:
            pass


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _start_again(cluster: Kafka) -> None:
    cluster.launch()
    cluster.wait_ready()


def read_topic(kafka: str, topic: str) -> list[Message]:
    """Return all messages of a topic."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "unused", "enable.partition.eof": True})
    places = [
        TopicPartition(topic, partition, 0) for partition in consumer.list_topics(topic, 10).topics[topic].partitions
    ]
    consumer.assign(places)
    messages: list[Message] = []
    ended = 0
    while ended < len(places):
        message = consumer.poll(PATIENCE_SECONDS)
        assert message is not None, f"{topic} cannot be read"
        if message.error():
            ended += 1
        else:
            messages.append(message)
    consumer.close()
    return messages


def _murmur2(data: bytes) -> int:
    """Return Kafka's hash of a key, as Java's client has it."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    found = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        found = (found * m & mask) ^ ((k ^ (k >> 24)) * m & mask)
    if rest := data[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * m & mask
    found = (found ^ (found >> 13)) * m & mask
    return found ^ (found >> 15)
