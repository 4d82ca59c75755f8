"""Batches are as large as the topics take, and smaller after a refusal."""

import asyncio
import os
import time
from typing import Any

import uvloop
from confluent_kafka.admin import AdminClient

from daymark import limits
from ingest.batch_size import BatchSize
from ingest.delivery import Outcome
from ingest.metrics import Metrics
from ingest.publisher import Publisher
from schemas.topics import BATCH_BYTES, LEAST_BATCH_BYTES, Topics
from tests.limits import limit

PATIENCE_S = 120.0


def test_the_smallest_limit_counts() -> None:
    """What a batch adds is left free; a limit that is larger, or unknown, changes nothing."""
    size = BatchSize(BATCH_BYTES)
    assert not size.settle([])
    assert not size.settle([1_048_588, 1_048_588])
    assert size.bytes == BATCH_BYTES
    assert size.settle([1_048_588, 20_000])
    assert size.bytes == 20_000 - 1024
    assert not size.is_doubtful


def test_a_refusal_that_no_limit_explains_halves_it() -> None:
    """Nobody says what the limits are: down to one record a batch, and no further."""
    size = BatchSize(BATCH_BYTES)
    size.settle([])
    sizes = []
    for _ in range(20):
        size.refuse()
        assert size.is_doubtful
        size.settle([])
        sizes.append(size.bytes)
    assert sizes[0] == BATCH_BYTES // 2
    assert sizes[-1] == LEAST_BATCH_BYTES
    size = BatchSize(BATCH_BYTES)
    size.refuse()
    size.settle([20_000])
    assert size.bytes == 20_000 - 1024


def test_events_reach_a_topic_that_takes_less(kafka: str, topics: Topics) -> None:
    """From the start, and again when its limit is lowered: what is refused meanwhile is sent again."""

    async def publish(delivery: Publisher) -> Outcome:
        told: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        records = [(b"one", os.urandom(300)) for _ in range(500)]
        deadline = asyncio.get_running_loop().time() + 10
        delivery.publish("acme", records, [], deadline, told.set_result)
        return await told

    async def scene() -> None:
        client: dict[str, Any] = {"bootstrap.servers": kafka, "log_level": 0}
        names = (topics.events, topics.rejected)
        delivery = Publisher(client, topics, Metrics(), limits=lambda: limits.read(AdminClient(client), names).values())
        until = time.monotonic() + PATIENCE_S
        try:
            while not delivery.readiness.ready:
                assert time.monotonic() < until
                await asyncio.sleep(0.05)
            assert await publish(delivery) == Outcome.DELIVERED
            await asyncio.to_thread(limit, kafka, topics.events, 5_000)
            while await publish(delivery) != Outcome.DELIVERED:
                assert time.monotonic() < until
                await asyncio.sleep(0.2)
            assert delivery._batch_size.bytes < 5_000
        finally:
            await delivery.close(1.0)

    limit(kafka, topics.events, 20_000)
    uvloop.run(scene())
