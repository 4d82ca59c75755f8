"""Retention passes the group: workers go on, and say what is gone."""

import signal
import time

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import Topics
from tests.flows import Process, Road, visit, wait_until


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def delete(road: Road, partition: int, before: int) -> None:
    """Delete a partition's records, as retention does."""
    place = TopicPartition(road.topics.events, partition, before)
    admin = AdminClient({"bootstrap.servers": road.kafka})
    for future in admin.delete_records([place]).values():
        future.result(60)


def skipped(worker: Process) -> float:
    return sum(figure for name, figure in worker.metrics().items() if name.startswith("daymark_events_skipped_total{"))


def test_retention_passes_a_group_that_is_away(road: Road) -> None:
    """Each partition's deleted records are counted when a worker comes back, without waiting for new ones."""
    road.send([("one", visit(1)[1])] * 10)
    with road.worker():
        road.wait_settled()
    (partition,) = {record.partition for record in road.committed(road.topics.events)}
    road.send([("one", visit(2)[1])] * 40)
    delete(road, partition, 50)
    with road.worker() as worker:
        wait_until(lambda: skipped(worker) == 40, "what was deleted is counted", every_s=0.5)
        assert "events.skipped" in worker.said
        road.send([("one", visit(3)[1])])
        wait_until(lambda: len(road.interactions()) == 2, "work goes on", every_s=0.5)
        assert skipped(worker) == 40


def test_retention_passes_a_worker_that_reads(road: Road) -> None:
    """A frozen worker finds the log begun anew behind it: it counts what it misses, and goes on."""
    road.send([("one", visit(1)[1])] * 10)
    with road.worker() as worker:
        road.wait_settled()
        (partition,) = {record.partition for record in road.committed(road.topics.events)}
        worker.signal(signal.SIGSTOP)
        time.sleep(1)  # Kafka answers the fetch under way, which nobody sees from here: it must bring nothing
        road.send(("one", visit(contact)[1]) for contact in range(2, 42))
        delete(road, partition, 40)
        worker.signal(signal.SIGCONT)
        wait_until(lambda: any(i["email"] == "contact-41@example.org" for i in road.interactions()), "it goes on")
        # A fetch that was under way may have brought some of what was deleted.
        assert skipped(worker) == 41 - len(road.interactions())
        assert skipped(worker) > 0


def test_a_committed_offset_beyond_the_end(road: Road) -> None:
    """The log is read from its beginning, and the worker says why."""
    road.send([("one", visit(1)[1])] * 10)
    with road.worker():
        road.wait_settled()
    (partition,) = {record.partition for record in road.committed(road.topics.events)}
    admin = AdminClient({"bootstrap.servers": road.kafka})
    moved = ConsumerGroupTopicPartitions(road.group, [TopicPartition(road.topics.events, partition, 1_000)])
    for future in admin.alter_consumer_group_offsets([moved]).values():
        future.result(60)
    with road.worker() as worker:
        worker.wait_for("offset.beyond_end")
        road.send([("one", visit(2)[1])])
        wait_until(lambda: len(road.interactions()) > 1, "work goes on", every_s=0.5)
        assert worker.metrics()[f'daymark_offsets_beyond_end_total{{partition="{partition}"}}'] == 1
