"""The lag in the outages that it is there to show: nothing moves, and it grows from scrape to scrape."""

import os
import platform
import signal
from collections.abc import Callable

import pytest

from daymark.local.kafka import Kafka
from daymark.local.valkey import Valkey
from schemas.topics import Topics
from tests.flows import Process, Road, visit, wait_until
from tests.made import make


def lags(worker: Process, name: str = "daymark_event_lag_seconds") -> list[float]:
    return [figure for label, figure in worker.metrics().items() if label.startswith(f"{name}{{")]


def is_caught_up(worker: Process) -> bool:
    found = lags(worker)
    return bool(found) and max(found) == 0 and sum(lags(worker, "daymark_lag_records")) == 0


def await_growth(worker: Process) -> None:
    """Wait until a lag is there, and until it has grown by seconds."""
    found: list[float] = []

    def grows() -> bool:
        found.append(max(lags(worker)))
        return found[-1] > found[0] + 2 > 2

    wait_until(lambda: max(lags(worker)) > 0, "there is a lag", every_s=0.5)
    wait_until(grows, "the lag grows", every_s=0.5)


def test_store_frozen(kafka: str, topics: Topics, claim_key: bytes, valkey_server: Callable[..., Valkey]) -> None:
    """While the store is frozen the lag grows, in seconds and in records, and the worker is not ready."""
    store = valkey_server()
    road = Road(kafka, store.url, topics, claim_key)
    road.send(visit(contact) for contact in range(50))
    with road.worker() as worker:
        wait_until(lambda: is_caught_up(worker), "all is committed", every_s=0.5)
        wait_until(lambda: worker.readiness() == 200, "the worker is ready")
        assert store._child is not None
        pid = store._child.process.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: worker.readiness() == 503, "readiness tells of an idle worker's store, too", every_s=0.5)
            road.send(visit(contact, 2) for contact in range(50))
            await_growth(worker)
            road.send(visit(contact, 3) for contact in range(50))
            wait_until(lambda: sum(lags(worker, "daymark_lag_records")) == 100, "new events are counted", every_s=0.5)
        finally:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: is_caught_up(worker), "all is committed", every_s=0.5)
        wait_until(lambda: worker.readiness() == 200, "the worker is ready again", every_s=0.5)
        found = worker.metrics()
        assert found["daymark_event_commit_seconds_count"] == 150
        (build,) = [name for name in found if name.startswith("daymark_build_info")]
        assert f'python="{platform.python_version()}"' in build


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "killed"])
def test_kafka_away(redis_url: str, claim_key: bytes, kafka_cluster: Callable[..., Kafka], *, frozen: bool) -> None:
    """While Kafka does not answer, whether there are events to commit is not known: the lag grows."""
    cluster = kafka_cluster()
    topics = Topics("t.")
    make(cluster.bootstrap, topics.all())
    road = Road(cluster.bootstrap, redis_url, topics, claim_key)
    road.send(visit(contact) for contact in range(50))
    with road.worker(DAYMARK_SESSION_TIMEOUT_MS="30000") as worker:
        wait_until(lambda: is_caught_up(worker), "all is committed", every_s=0.5)
        if frozen:
            pid = cluster._children[1].process.pid
            os.kill(pid, signal.SIGSTOP)
            await_growth(worker)
            os.kill(pid, signal.SIGCONT)
        else:
            cluster.kill()
            await_growth(worker)
            cluster.start()
        wait_until(lambda: is_caught_up(worker), "all is committed", every_s=0.5)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_standby_is_ready(kafka: str, redis_url: str, topics: Topics, claim_key: bytes, protocol: str) -> None:
    """More workers than partitions: who has none has its place in the group all the same."""
    single = Topics(f"{topics.prefix}single.")
    make(kafka, single.all(), partitions=1)
    road = Road(kafka, redis_url, single, claim_key)
    settings = {"DAYMARK_GROUP_PROTOCOL": protocol}
    with road.worker("a", **settings) as one, road.worker("b", **settings) as other:
        wait_until(
            lambda: sorted(worker.metrics()["daymark_partitions"] for worker in (one, other)) == [0, 1],
            "one of them has the partition",
            every_s=0.5,
        )
        wait_until(lambda: one.readiness() == other.readiness() == 200, "both are ready", every_s=0.5)
