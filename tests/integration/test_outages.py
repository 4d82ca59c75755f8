"""Redis and Kafka away, back, full, frozen: workers wait as members of their group, and nothing is lost or doubled."""

import os
import secrets
import signal
from collections.abc import Callable

import pytest
import redis

from daymark.local.kafka import Kafka
from daymark.local.valkey import Valkey
from schemas.topics import Topics
from tests.flows import Process, Road, twice, visit, wait_until
from tests.made import make


@pytest.fixture
def store(valkey_server: Callable[..., Valkey]) -> Valkey:
    return valkey_server()


@pytest.fixture
def road(kafka: str, store: Valkey, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, store.url, topics, claim_key)


def _await_pause(worker: Process) -> None:
    wait_until(lambda: worker.metrics()["daymark_paused"] == 1, "the worker is paused")


def _check(road: Road, contact_days: int) -> None:
    interactions = road.interactions()
    assert not twice(interactions)
    assert len(interactions) == contact_days


def test_redis_killed_and_back(road: Road, store: Valkey) -> None:
    """While Redis is down nothing is committed and the worker keeps its partitions; then the worker continues."""
    road.send(visit(contact) for contact in range(500))
    with road.worker() as worker:
        road.wait_settled()
        store.kill()
        road.send(visit(contact, day) for contact in range(500) for day in (1, 2))
        _await_pause(worker)
        assert road.lag() == 1000
        store.start()
        road.wait_settled()
        assert worker.metrics()["daymark_paused"] == 0
        assert worker.said.count("partitions.assigned") == 1
        assert "partitions.revoked" not in worker.said
    _check(road, 1000)


def test_partitions_that_come_during_an_outage_are_paused(road: Road, store: Valkey) -> None:
    """A worker that gets its partitions while Redis is down pauses all of them."""
    store.kill()
    road.send(visit(contact) for contact in range(500))
    with road.worker("a") as first:
        _await_pause(first)
        with road.worker("b") as second:
            second.wait_for("partitions.assigned")
            _await_pause(second)
        # The second has left again: what it held comes back to a worker that is still paused.
        wait_until(lambda: first.metrics()["daymark_partitions"] == 4, "the first has all partitions again")
        assert road.lag() == 500
        store.start()
        road.wait_settled()
    _check(road, 500)


def test_partitions_that_went_during_an_outage_come_back_unpaused(road: Road, store: Valkey) -> None:
    """The driver keeps a partition's pause beyond its assignment; whoever gets it back goes on with it."""
    road.send(visit(contact) for contact in range(100))
    with road.worker("a") as first:
        road.wait_settled()
        store.kill()
        road.send(visit(contact) for contact in range(100, 200))
        _await_pause(first)
        with road.worker("b") as second:
            first.wait_for("partitions.revoked")
            second.wait_for("partitions.assigned")
            store.start()
            road.wait_settled()
        road.send(visit(contact) for contact in range(200, 400))
        road.wait_settled()
    _check(road, 400)


def test_redis_frozen(road: Road, store: Valkey) -> None:
    """A Redis that stands still for seconds and goes on makes no difference but the time."""
    road.send(visit(contact) for contact in range(200))
    with road.worker() as worker:
        road.wait_settled()
        pid = _pid(store)
        os.kill(pid, signal.SIGSTOP)
        try:
            road.send(visit(contact, 2) for contact in range(200))
            _await_pause(worker)
        finally:
            os.kill(pid, signal.SIGCONT)
        road.wait_settled()
    _check(road, 400)


def test_redis_full(road: Road, store: Valkey) -> None:
    """At maxmemory the worker waits and raises its alert; with room again every event is there."""
    with redis.Redis.from_url(store.url) as client, road.worker() as worker:
        worker.wait_for("partitions.assigned")
        client.config_set("maxmemory", "1mb")
        road.send(visit(contact) for contact in range(2000))
        wait_until(lambda: worker.metrics()["daymark_claims_full"] == 1, "the alert is raised")
        client.config_set("maxmemory", "0")
        road.wait_settled()
        assert worker.metrics()["daymark_claims_full"] == 0
    _check(road, 2000)


def test_redis_that_lost_everything(road: Road, store: Valkey) -> None:
    """A worker remembers what it has committed; another may emit it again, under the same id: an upsert keeps one."""
    road.send(visit(contact) for contact in range(100))
    with road.worker():
        road.wait_settled()
        with redis.Redis.from_url(store.url) as client:
            client.flushall()
        road.send(visit(contact, name="again") for contact in range(100))
        road.wait_settled()
    _check(road, 100)
    with road.worker() as worker:
        worker.wait_for("store.lost")
        road.send(visit(contact, name="once more") for contact in range(100))
        road.wait_settled()
    interactions = road.interactions()
    assert len(interactions) == 200
    assert len({interaction["interaction_id"] for interaction in interactions}) == 100


def test_evicting_redis_is_an_alert(road: Road, store: Valkey) -> None:
    """A Redis that may evict claims is said at the start, in the log and in a metric."""
    with redis.Redis.from_url(store.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    with road.worker() as worker:
        worker.wait_for("claims.evicting")
        assert worker.metrics()["daymark_claims_evicting"] == 1


def test_wrong_password_is_said(road: Road, store: Valkey) -> None:
    """A worker that Redis refuses says what to look at and exits 1, without a traceback or the password."""
    with redis.Redis.from_url(store.url) as client:
        client.execute_command("ACL", "SETUSER", "worker", "on", ">right", "~*", "+@all")
    road.send([visit(1)])
    url = store.url.replace("redis://", "redis://worker:wrong-one@")
    process = road.start("process", DAYMARK_REDIS=url)
    assert process.wait() == 1
    assert "DAYMARK_REDIS" in process.said
    assert "Traceback" not in process.said
    assert "wrong-one" not in process.said


@pytest.fixture
def cluster(kafka_cluster: Callable[..., Kafka]) -> Kafka:
    return kafka_cluster(nodes=3)


@pytest.fixture
def three_nodes(cluster: Kafka, redis_url: str) -> Road:
    topics = Topics("three.")
    make(cluster.bootstrap, topics.all(), copies=3)
    return Road(cluster.bootstrap, redis_url, topics, secrets.token_bytes(16))


@pytest.mark.timeout(600)
def test_nodes_killed_under_load(cluster: Kafka, three_nodes: Road) -> None:
    """Each of three nodes is killed and revived in turn, leaders and coordinators among them, while events flow."""
    road = three_nodes
    with road.worker("a"), road.worker("b"):
        for day, node in enumerate((1, 2, 3), start=1):
            cluster.kill(node)
            road.send(visit(contact, day) for contact in range(300))
            cluster.start()
        road.wait_settled()
    _check(road, 900)


@pytest.mark.timeout(600)
def test_kafka_gone_and_back(kafka_cluster: Callable[..., Kafka], redis_url: str) -> None:
    """A worker outlives a Kafka that dies whole, and goes on by itself when it is back."""
    cluster = kafka_cluster(nodes=1)
    road = _one_node(cluster, redis_url)
    with road.worker(DAYMARK_TRANSACTION_TIMEOUT_MS="3000") as worker:
        road.send(visit(contact) for contact in range(300))
        road.wait_settled()
        cluster.kill(1)
        worker.wait_for("kafka.troubled")
        cluster.start()
        road.send(visit(contact, 2) for contact in range(300))
        road.wait_settled()
        assert worker.status is None
    _check(road, 600)


def _one_node(cluster: Kafka, redis_url: str) -> Road:
    topics = Topics("one.")
    make(cluster.bootstrap, topics.all())
    return Road(cluster.bootstrap, redis_url, topics, secrets.token_bytes(16))


def _pid(store: Valkey) -> int:
    with redis.Redis.from_url(store.url) as client:
        return int(client.info("server")["process_id"])
