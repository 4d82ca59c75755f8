"""Workers on a store that is shared, emptied, another's or unsuitable: noticed, and said with what to do."""

from collections.abc import Callable

import pytest
import redis

from daymark.local.valkey import Valkey
from daymark.settings import PUBLISHED_CLAIM_KEY
from schemas.topics import Topics
from tests.flows import Process, Road, visit, wait_until
from tests.made import make


@pytest.fixture
def store(valkey_server: Callable[..., Valkey]) -> Valkey:
    return valkey_server()


@pytest.fixture
def road(kafka: str, store: Valkey, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, store.url, topics, claim_key)


def _lost_at(worker: Process) -> float:
    return worker.metrics()["daymark_store_lost_timestamp_seconds"]


def _identity(client: redis.Redis) -> bytes:
    """Return the key of the store's identity: the one without an expiry."""
    (key,) = [key for key in client.scan_iter() if client.ttl(key) == -1]
    return bytes(key)


def test_two_installations_on_one_store(road: Road, store: Valkey, claim_key: bytes) -> None:
    """Told apart by their prefix alone, each has every contact-day."""
    other = Road(road.kafka, store.url, Topics(f"{road.topics.prefix}b."), claim_key)
    make(other.kafka, other.topics.all())
    for each in (road, other):
        each.send(visit(contact) for contact in range(50))
        with each.worker():
            each.wait_settled()
    assert [len(each.interactions()) for each in (road, other)] == [50, 50]
    ids = [{interaction["interaction_id"] for interaction in each.interactions()} for each in (road, other)]
    assert ids[0] == ids[1]


def test_a_store_emptied_while_a_worker_runs(road: Road, store: Valkey) -> None:
    """The next batch reports it in log and metric."""
    road.send(visit(contact) for contact in range(50))
    with road.worker() as worker, redis.Redis.from_url(store.url) as client:
        road.wait_settled()
        assert _lost_at(worker) == 0
        client.flushall()
        road.send(visit(contact, 2) for contact in range(50))
        worker.wait_for("store.lost")
        road.wait_settled()
        assert _lost_at(worker) > 0
        assert worker.said.count("store.lost") == 1


def test_a_store_emptied_while_no_worker_runs(road: Road, store: Valkey) -> None:
    """The group's offsets remember it; a start on the same store says nothing."""
    road.send(visit(contact) for contact in range(50))
    for day in (2, 3):
        with road.worker() as worker:
            road.wait_settled()
            assert "store.lost" not in worker.said
        road.send(visit(contact, day) for contact in range(50))
    with redis.Redis.from_url(store.url) as client:
        client.flushall()
    with road.worker() as worker:
        worker.wait_for("store.lost")
        wait_until(lambda: _lost_at(worker) > 0, "the metric has its time")
        road.wait_settled()
    assert len(road.interactions()) == 150


def test_claims_of_another_kafka_cluster(road: Road, store: Valkey) -> None:
    """A worker that would take another cluster's days ends and names both, unless a setting says that topics moved."""
    road.send(visit(contact) for contact in range(50))
    with road.worker():
        road.wait_settled()
    with redis.Redis.from_url(store.url) as client:
        key = _identity(client)
        version, name, ours, made = client.get(key).split()
        client.set(key, b" ".join([version, name, b"another-cluster", made]))
    refused = road.start("process")
    assert refused.wait() == 1
    assert f"(another-cluster; this one is {ours.decode()})" in refused.said
    assert "Traceback" not in refused.said
    road.send(visit(contact, day) for contact in range(50) for day in (1, 2))
    with road.worker(DAYMARK_CLAIMS_MOVED_FROM="another-cluster"):
        road.wait_settled()
    assert len(road.interactions()) == 100
    with road.worker() as again:
        again.wait_for("partitions.assigned")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (lambda url: url.removesuffix("/0") + "/99", "a database that the server does not have"),
        (lambda url: url.replace("redis://", "redis+cluster://"), "a server that is not a cluster"),
    ],
)
def test_an_unsuitable_store_ends_a_worker_at_start(
    road: Road, store: Valkey, url: Callable[[str], str], words: str
) -> None:
    """Before it has anything to claim, and before it joins the group."""
    worker = road.start("process", DAYMARK_REDIS=url(store.url))
    assert worker.wait() == 1
    assert words in worker.said.splitlines()[-1]
    assert "Traceback" not in worker.said
    assert "partitions.assigned" not in worker.said


def test_a_published_claim_key_is_warned_of(road: Road) -> None:
    """The one of docker-compose.yml keeps no e-mail from being guessed."""
    with road.worker(DAYMARK_CLAIM_KEY=PUBLISHED_CLAIM_KEY.decode()) as worker:
        worker.wait_for("claims.key_public")
