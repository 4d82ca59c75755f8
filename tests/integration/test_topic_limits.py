"""Topics that take less than a producer's batch: batches are fitted to them, also when a limit is lowered meanwhile."""

import math

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from schemas.topics import BATCH_BYTES, LEAST_BATCH_BYTES, MESSAGE_LIMIT, Topics
from tests.flows import Road, visit


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def limit(road: Road, topic: str, size: int) -> None:
    entry = ConfigEntry(MESSAGE_LIMIT, str(size), incremental_operation=AlterConfigOpType.SET)
    admin = AdminClient({"bootstrap.servers": road.kafka})
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(30)


def aborted(figures: dict[str, float]) -> float:
    return figures.get('daymark_batches_total{result="aborted"}', 0.0)


def test_batches_fit_the_topics(road: Road) -> None:
    """Nothing is aborted, large rejections are truncated to fit, and the log says what a limit is too low for."""
    for topic in (road.topics.interactions, road.topics.rejected):
        limit(road, topic, 20_000)
    road.send(visit(contact) for contact in range(1000))
    road.send([("one", b"\x00\xff" * 200_000)])
    with road.worker() as worker:
        worker.wait_for("topic.limit_low")
        road.wait_settled()
        assert aborted(worker.metrics()) == 0
    assert len(road.interactions()) == 1000
    assert [rejection["reason"] for rejection in road.rejections()] == ["too_large"]


def test_a_limit_lowered_meanwhile(road: Road) -> None:
    """The worker looks again and makes smaller batches."""
    with road.worker() as worker:
        worker.wait_for("partitions.assigned")
        limit(road, road.topics.interactions, 20_000)
        road.send(visit(contact) for contact in range(3000))
        road.wait_settled()
        # By the refusal, or in a new session, where the driver had given up the transaction before it could be told.
        assert "batches.smaller" in worker.said or "topic.limit_low" in worker.said
        # Never more often than halving takes from the largest to the least.
        assert worker.said.count("batches.smaller") <= math.log2(BATCH_BYTES / LEAST_BATCH_BYTES) + 1
    assert len(road.interactions()) == 3000


def test_a_record_that_no_batch_makes_fit_is_said(road: Road) -> None:
    """The worker ends with the topic and the setting to raise."""
    limit(road, road.topics.interactions, 300)
    road.send([visit(1, name="x" * 20_000)])
    with road.worker() as worker:
        assert worker.wait() == 1
        assert f"raise {MESSAGE_LIMIT} of {road.topics.interactions}" in worker.said
