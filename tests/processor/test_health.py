"""A worker's health over a real socket: alive is not ready, and neither asks Kafka or Redis."""

import http.client
import time
from collections.abc import Iterator

import pytest

from processor import health, metrics

Answer = tuple[int, str]


@pytest.fixture
def port() -> Iterator[int]:
    metrics.SESSIONS.reset()
    metrics.PAUSED.set(0)
    metrics.LAST_LOOP.set(0)
    end, port = health.serve("127.0.0.1", 0)
    yield port
    end()


def ask(port: int, path: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_alive_while_the_loop_goes_round(port: int) -> None:
    """Two minutes without a round are a hang; paused, or without Kafka, a worker is alive."""
    metrics.PAUSED.set(1)
    metrics.LAST_LOOP.set(time.time() - 60)
    assert ask(port, "/livez") == (200, "alive\n")
    metrics.LAST_LOOP.set(time.time() - 1000)
    status, said = ask(port, "/livez")
    assert status == 503
    assert "has not gone round for 10" in said


def test_ready_once_kafka_answered_and_while_redis_does(port: int) -> None:
    assert ask(port, "/readyz") == (503, "Kafka has not answered yet\n")
    metrics.SESSIONS.inc()
    assert ask(port, "/readyz") == (200, "ready\n")
    metrics.PAUSED.set(1)
    assert ask(port, "/readyz") == (503, "Redis cannot answer: paused\n")
    metrics.PAUSED.set(0)
    assert ask(port, "/readyz")[0] == 200


def test_metrics_are_served(port: int) -> None:
    """In Prometheus's text, all of a worker's."""
    metrics.PARTITIONS.set(7)
    status, said = ask(port, "/metrics")
    assert status == 200
    assert "\ndaymark_partitions 7.0\n" in said


def test_other_paths_are_not_there(port: int) -> None:
    assert ask(port, "/") == (404, "/livez, /readyz, /metrics\n")


def test_a_port_that_is_taken_is_said(port: int) -> None:
    with pytest.raises(OSError, match="in use"):
        health.serve("127.0.0.1", port)


def test_nothing_is_served_after_the_end() -> None:
    end, port = health.serve("127.0.0.1", 0)
    end()
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/livez")
