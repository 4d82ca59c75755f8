"""Topics that take less than a producer's batch: batches are fitted to them, also when a limit is lowered meanwhile."""

import math
import os
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from processor.errors import Aborted
from processor.records import Batch, Output, Record
from processor.sink import Sink
from schemas.topics import BATCH_BYTES, LEAST_BATCH_BYTES, MESSAGE_LIMIT, Topics
from tests.flows import Road, visit
from tests.limits import limit


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def aborted(figures: dict[str, float]) -> float:
    return figures.get('daymark_batches_total{result="aborted"}', 0.0)


def test_batches_fit_the_topics(road: Road) -> None:
    """Nothing is aborted, large rejections are truncated to fit, and the log says what a limit is too low for."""
    for topic in (road.topics.interactions, road.topics.rejected):
        limit(road.kafka, topic, 20_000)
    road.send(visit(contact) for contact in range(1000))
    road.send([("one", b"\x00\xff" * 200_000)])
    with road.worker() as worker:
        worker.wait_for("topic.limit_low")
        road.wait_settled()
        assert aborted(worker.metrics()) == 0
    assert len(road.interactions()) == 1000
    assert [rejection["reason"] for rejection in road.rejections()] == ["too_large"]


def test_a_limit_lowered_meanwhile(road: Road) -> None:
    """The worker looks again and makes smaller batches, in the same session."""
    with road.worker() as worker:
        worker.wait_for("partitions.assigned")
        limit(road.kafka, road.topics.interactions, 20_000)
        road.send(visit(contact) for contact in range(3000))
        road.wait_settled()
        # Never more often than halving takes from the largest to the least.
        assert 1 <= worker.said.count("batches.smaller") <= math.log2(BATCH_BYTES / LEAST_BATCH_BYTES) + 1
        assert "session.lost" not in worker.said
    assert len(road.interactions()) == 3000


class Waiting(Producer):
    """Hands nothing over after the first hundred records before the broker has answered to those."""

    handed_over = 0

    def produce(self, *arguments: Any, **named: Any) -> None:
        if self.handed_over == 100:
            self.flush(30)
        self.handed_over += 1
        super().produce(*arguments, **named)


@pytest.mark.parametrize(("producer", "tells"), [(Producer, "commit"), (Waiting, "produce")])
def test_a_refusal_is_understood_at_either_call(road: Road, producer: Callable[..., Producer], tells: str) -> None:
    """Whether all was handed over when the broker refuses a batch, or not: smaller ones, and each record once."""
    road.send([visit(1)])
    limit(road.kafka, road.topics.interactions, 20_000)
    values = [b"%d %s" % (number, os.urandom(500)) for number in range(200)]
    outputs = [Output(road.topics.interactions, b"key", value, 0) for value in values]
    name = f"{road.topics.prefix}{tells}"
    config = {"bootstrap.servers": road.kafka, "transactional.id": name, "linger.ms": 5000, "log_level": 0}
    sink = Sink(config, road.topics.events, 10.0, producer)
    consumer = Consumer({"bootstrap.servers": road.kafka, "group.id": road.group})
    batch = Batch([Record(0, 0, None, b"", "w", None, 0)], consumer.consumer_group_metadata(), b"mark")
    attempts = 0
    try:
        while True:
            attempts += 1
            try:
                sink.commit(outputs, batch)
                break
            except Aborted as error:
                assert "Message size too large" in str(error)  # noqa: PT017
    finally:
        sink.close()
        consumer.close()
    assert 1 < attempts < 10
    assert [record.value for record in road.committed(road.topics.interactions)] == values


def test_a_record_that_no_batch_makes_fit_is_said(road: Road) -> None:
    """The worker ends with the topic and the setting to raise."""
    limit(road.kafka, road.topics.interactions, 300)
    road.send([visit(1, name="x" * 20_000)])
    with road.worker() as worker:
        assert worker.wait() == 1
        assert f"raise {MESSAGE_LIMIT} of {road.topics.interactions}" in worker.said
