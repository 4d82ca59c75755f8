"""A worker's health, from its metrics: alive is not ready, and neither asks Kafka or Redis."""

from collections.abc import Iterator

import pytest

from processor import health, metrics

NOW_S = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    metrics.SESSIONS.reset()
    yield
    metrics.PAUSED.set(0)
    metrics.LAST_LOOP.set(0)


def test_alive_while_the_loop_goes_round() -> None:
    """Two minutes without a round are a hang; paused, or without Kafka, a worker is alive."""
    metrics.PAUSED.set(1)
    metrics.LAST_LOOP.set(NOW_S - 60)
    assert health.alive(NOW_S) == (True, "")
    metrics.LAST_LOOP.set(NOW_S - 1000)
    assert health.alive(NOW_S) == (False, "the loop has not gone round for 1000 s")


def test_ready_once_kafka_answered_and_while_redis_does() -> None:
    assert health.ready() == (False, "Kafka has not answered yet")
    metrics.SESSIONS.inc()
    assert health.ready() == (True, "")
    metrics.PAUSED.set(1)
    assert health.ready() == (False, "Redis cannot answer: paused")
    metrics.PAUSED.set(0)
    assert health.ready()[0]
