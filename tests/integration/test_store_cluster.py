"""Two workers on a Redis Cluster that is hurt and reshaped under load: nothing lost, nothing doubled, nobody ends.

`pytest -s` prints the longest stand-still of each case, which docs/store.md has in a table.
"""

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Self

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from daymark.local import ports
from processor.slots import TAGS, slot
from schemas.topics import PARTITIONER, Topics
from tests.flows import DEADLINE_S, Process, Road, twice, visit, wait_until
from tests.valkey_cluster import ValkeyCluster

_EVERY_S, _AT_ONCE = 0.1, 25  # 300 events a second
SLOTS = sorted(slot(tag) for tag in TAGS)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    with ValkeyCluster.running(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def road(kafka: str, cluster: ValkeyCluster, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, cluster.url_of(0, 1), topics, claim_key)


class Load:
    """Events at a steady rate, each the first of its contact-day, and each sent twice."""

    def __init__(self, road: Road) -> None:
        self._road, self._ending = road, threading.Event()
        self._producer = Producer({"bootstrap.servers": road.kafka, "partitioner": PARTITIONER, "linger.ms": 5})
        self._thread = threading.Thread(target=self._send)
        self.contacts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.more(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def more(self, times: int) -> None:
        """Return when so many more batches are sent."""
        until = self.contacts + times * _AT_ONCE
        wait_until(lambda: self.contacts >= until, "events are sent")

    def _send(self) -> None:
        while not self._ending.wait(_EVERY_S):
            new = range(self.contacts, self.contacts + _AT_ONCE)
            headers: list[tuple[str, str | bytes | None]] = [("workspace", "w")]
            for contact, body in (visit(contact) for contact in [*new, *new[::5]]):
                self._producer.produce(self._road.topics.events, body, contact, headers=headers)
            assert self._producer.flush(DEADLINE_S) == 0
            self.contacts += _AT_ONCE


def killed(cluster: ValkeyCluster, load: Load) -> None:
    """A primary is killed; its replica takes over. It comes back as a replica."""
    primary = cluster.holder(0)
    replica = cluster.replica_of(primary, seen_by=1)
    cluster.nodes[primary].kill()
    cluster.wait(lambda: cluster.is_primary(replica), "the replica has taken over")
    load.more(20)
    cluster.nodes[primary].start()


def frozen(cluster: ValkeyCluster, load: Load) -> None:
    """A primary stands still; its replica takes over. It goes on and finds itself a replica."""
    primary = cluster.holder(0)
    replica = cluster.replica_of(primary, seen_by=1)
    cluster.nodes[primary].freeze()
    cluster.wait(lambda: cluster.is_primary(replica), "the replica has taken over")
    load.more(20)
    cluster.nodes[primary].thaw()


def demoted(cluster: ValkeyCluster, load: Load) -> None:
    """Each primary in turn is demoted by a manual failover, and keeps running."""
    for primary in {shard.primary for shard in cluster.shards()}:
        cluster.demote(primary)
        load.more(10)


def moved_by_key(cluster: ValkeyCluster, load: Load) -> None:
    """A node is added, and slots move to it by MIGRATE; each is half-way for seconds."""
    new = cluster.add()
    for number in SLOTS[:3]:
        old = cluster.begin_move(number, new, keys=5)
        load.more(40)
        cluster.end_move(number, old, new)


def moved_whole(cluster: ValkeyCluster, load: Load) -> None:
    """A node is added, and a quarter of the slots moves to it by CLUSTER MIGRATESLOTS of Valkey 9."""
    new = cluster.add()
    cluster.migrate_slots(range(4096), new)
    load.more(40)


def shard_away(cluster: ValkeyCluster, load: Load) -> float:
    """A primary and its replica stand still, and go on."""
    began, stopped = time.monotonic(), cluster.freeze_shard(0)
    load.more(100)
    for number in stopped:
        cluster.nodes[number].thaw()
    return time.monotonic() - began


def all_away(cluster: ValkeyCluster, load: Load) -> float:
    """Every node is killed; all come back with their data."""
    began = time.monotonic()
    for node in cluster.nodes:
        node.kill()
    load.more(60)
    for node in cluster.nodes:
        node.launch()
    cluster.heal()
    return time.monotonic() - began


CASES = [killed, frozen, demoted, moved_by_key, moved_whole, shard_away, all_away]


@pytest.mark.parametrize("happens", CASES, ids=lambda case: case.__name__)
def test_workers_outlive_it(
    road: Road, cluster: ValkeyCluster, happens: Callable[[ValkeyCluster, Load], float | None]
) -> None:
    """Every contact-day has one interaction, and the workers that began are those that finish."""
    with road.worker("a") as first, road.worker("b") as second:
        for worker in (first, second):
            worker.wait_for("partitions.assigned", 2 * DEADLINE_S)
        with Load(road) as load:
            away_s = happens(cluster, load) or 0.0
            load.more(20)
        road.wait_settled()
        assert first.status is None
        assert second.status is None
        assert (first.metrics()["daymark_sessions_total"], second.metrics()["daymark_sessions_total"]) == (1, 1)
    assert "Traceback" not in first.said + second.said
    interactions = road.interactions()
    assert not twice(interactions)
    assert len(interactions) == load.contacts
    sys.stdout.write(
        f"\n{happens.__name__}: stood still for {stood_still(road):.1f} s, away for {away_s:.1f} s; "
        f"{load.contacts} contact-days\n"
    )


def test_a_silent_shard_leaves_a_worker_reachable(road: Road, cluster: ValkeyCluster) -> None:
    """It reports that its claims are unavailable, takes part in rebalances, and leaves its group on SIGTERM."""
    with ExitStack() as stack:
        first = stack.enter_context(road.worker("a"))
        first.wait_for("partitions.assigned")
        road.send(visit(contact) for contact in range(200))
        road.wait_settled()
        stopped = cluster.freeze_shard(0)
        road.send(visit(contact, 2) for contact in range(200))
        _await_pause(first)
        second = stack.enter_context(road.worker("b"))
        second.wait_for("partitions.assigned")
        _await_pause(second)
        assert second.end() == 0
        assert road.lag() == 200
        for number in stopped:
            cluster.nodes[number].thaw()
        road.wait_settled()
        assert first.metrics()["daymark_paused"] == 0
    assert len(road.interactions()) == 400


def test_a_worker_starts_on_any_host_of_its_url(road: Road, cluster: ValkeyCluster) -> None:
    """The first host of the URL is dead, and its replica serves: that is no reason to wait."""
    road.environment["DAYMARK_REDIS"] = f"redis+cluster://127.0.0.1:{ports.choose()},127.0.0.1:{cluster.port(5)}"
    road.send(visit(contact) for contact in range(100))
    with road.worker():
        road.wait_settled()
    assert len(road.interactions()) == 100


def _await_pause(worker: Process) -> None:
    wait_until(lambda: worker.metrics()["daymark_paused"] == 1, "the worker is paused")


def stood_still(road: Road) -> float:
    """Return the longest time, in seconds, between two interactions that were written one after the other."""
    times = sorted(_times(road.kafka, road.topics.interactions))
    return max(later - earlier for earlier, later in itertools.pairwise(times)) / 1000


def _times(kafka: str, topic: str) -> Iterator[int]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "none", "enable.partition.eof": True})
    try:
        partitions = set(consumer.list_topics(topic, 10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        deadline = time.monotonic() + DEADLINE_S
        while partitions:
            assert time.monotonic() < deadline
            for message in consumer.consume(5000, 0.2):
                if message.error():
                    partitions.discard(message.partition())
                else:
                    yield message.timestamp()[1]
    finally:
        consumer.close()
