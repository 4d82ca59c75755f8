"""A worker's health, from its metrics: alive is not ready, and neither asks Kafka or Redis."""

import pytest

from processor import health, metrics

NOW_S = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _fresh() -> None:
    metrics.SESSIONS.reset()
    for metric in (metrics.PAUSED, metrics.LAST_LOOP, metrics.STORE_UP, metrics.PARTITIONS, metrics.SETTLED):
        metric.set(0)


def test_alive_while_the_loop_goes_round() -> None:
    """Two minutes without a round are a hang; paused, or without Kafka, a worker is alive."""
    metrics.PAUSED.set(1)
    metrics.LAST_LOOP.set(NOW_S - 60)
    assert health.alive(NOW_S) == (True, "")
    metrics.LAST_LOOP.set(NOW_S - 1000)
    assert health.alive(NOW_S) == (False, "worker loop stalled for 1000 s")


def test_ready_with_a_place_in_the_group_and_a_store_that_answers() -> None:
    """Each obstacle is said; a member without partitions is ready, since it is there to take over."""
    assert health.ready() == (False, "the claims store does not answer")
    metrics.STORE_UP.set(1)
    assert health.ready() == (False, "Kafka has not answered yet")
    metrics.SESSIONS.inc()
    assert health.ready() == (False, "no partitions are assigned, and the group is still rebalancing")
    metrics.SETTLED.set(1)
    assert health.ready() == (True, "")
    metrics.SETTLED.set(0)
    metrics.PARTITIONS.set(3)
    assert health.ready() == (True, "")
    metrics.PAUSED.set(1)
    assert health.ready() == (False, "Redis is unavailable: partitions are paused")
    metrics.PAUSED.set(0)
    assert health.ready()[0]
