"""Memory is flat, whatever is asked of the process and whether or not Kafka is there."""

from collections.abc import Callable

from daymark.local.kafka import Kafka
from schemas.topics import Topics
from tests.bench.ingest_client import Load, drive
from tests.ingest import wire
from tests.ingest.conftest import Server, Start, started, until_ready
from tests.ingest.wire import event, post
from tests.made import make

MOST_BYTES = 300 * 1024 * 1024  # the bounds of bodies and of the queue, twice 64 MiB, and what a process is without
MOST_GROWTH = 32 * 1024 * 1024
LARGE = [post(event(traits={"email": f"p{number}@example.com"}, pad="x" * 30_000)) for number in range(100)]


def test_without_kafka(start: Start, kafka_cluster: Callable[..., Kafka]) -> None:
    """Once the quota is used up, a flood of large events changes nothing: each is refused."""
    cluster = kafka_cluster()
    make(cluster.bootstrap, Topics().all(), 1)
    server = started(start(DAYMARK_KAFKA=cluster.bootstrap))
    until_ready(server)
    assert wire.exchange(server.http, post()).status == 200
    cluster.kill()
    _flood(server)
    full = _memory(server)
    assert full < MOST_BYTES
    _flood(server)
    assert _memory(server) - full < MOST_GROWTH


def _flood(server: Server) -> None:
    """Refuse requests for a while, on many connections."""
    driven = drive(server.http, Load(LARGE, b"HTTP/1.1 503 ", b"}", 200, 6))
    assert driven.answers > 200


def _memory(server: Server) -> float:
    return wire.metric(server.admin, "process_resident_memory_bytes")
