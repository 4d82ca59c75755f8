"""`daymark ingest` as a container runs it: a real process, a real Kafka, nothing faked."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable

import pytest

from daymark.local.kafka import Kafka
from schemas.topics import Topics
from tests.ingest import wire
from tests.ingest.conftest import Start, ready, started, until_ready
from tests.ingest.test_publisher import read_topic
from tests.ingest.wire import event, post
from tests.made import make


def test_event_on_its_way(start: Start, kafka: str, topics: Topics) -> None:
    """What is answered 200 is in Kafka, what is refused is in segment.rejected; SIGTERM leaves with 0."""
    server = started(start(DAYMARK_KAFKA=kafka, DAYMARK_TOPIC_PREFIX=topics.prefix))
    until_ready(server)
    assert wire.exchange(server.http, post()).status == 200
    (message,) = read_topic(kafka, topics.events)
    assert (message.key(), message.value()) == (b"peter@example.com", event())
    assert dict(message.headers() or ())["workspace"] == b"acme"
    assert wire.exchange(server.http, post(b"5")).status == 400
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(wire.PATIENCE_SECONDS) == 0
    assert len(read_topic(kafka, topics.rejected)) == 1  # flushed before it left


def test_workers(start: Start, kafka: str, topics: Topics) -> None:
    """Workers share a port; one that dies is started again; all leave with their parent."""
    parent = start("--workers", "2", DAYMARK_KAFKA=kafka, DAYMARK_TOPIC_PREFIX=topics.prefix)
    servers = [started(parent), started(parent)]
    assert servers[0].http == servers[1].http
    assert servers[0].admin != servers[1].admin
    for server in servers:
        until_ready(server)
    children = [int(pid) for pid in subprocess.check_output(["ps", "-o", "pid=", "--ppid", str(parent.pid)]).split()]
    os.kill(children[0], signal.SIGKILL)
    until_ready(started(parent))
    for _ in range(10):
        assert wire.exchange(servers[0].http, post()).status == 200
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(wire.PATIENCE_SECONDS) == 0
    with pytest.raises(ConnectionRefusedError):
        wire.connect(servers[0].http)


def test_kafka_comes_later(start: Start, kafka_cluster: Callable[..., Kafka]) -> None:
    """Without Kafka it starts, says that it is not ready, answers 503, and is ready by itself once Kafka is there."""
    cluster = kafka_cluster()
    make(cluster.bootstrap, Topics().all(), 1)
    cluster.stop()
    server = started(start(DAYMARK_KAFKA=cluster.bootstrap))
    assert wire.exchange(server.http, post()).code == "unavailable"
    assert ready(server) == 503
    cluster.launch()
    cluster.wait_ready()
    until_ready(server)
    assert wire.exchange(server.http, post()).status == 200
    cluster.kill()
    assert wire.exchange(server.http, post()).code == "unavailable"
    wire.until(lambda: ready(server) == 503, 30)


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"DAYMARK_KAFKA_NONSENSE": "x"}, 2, "DAYMARK_KAFKA_NONSENSE"),
        ({"DAYMARK_KAFKA": "nowhere"}, 2, "DAYMARK_KAFKA"),
        ({"DAYMARK_WORKSPACES": ""}, 2, "DAYMARK_WORKSPACES"),
        ({"DAYMARK_WORKSPACES": "missing.toml"}, 2, "DAYMARK_WORKSPACES"),
        ({"DAYMARK_HTTP": "127.0.0.1"}, 2, "DAYMARK_HTTP"),
        ({"DAYMARK_HTTP": "192.0.2.1:80"}, 1, "cannot listen on 192.0.2.1:80"),
        ({"DAYMARK_ADMIN": "no.such.host.invalid:80"}, 1, "cannot listen on no.such.host.invalid:80"),
    ],
)
def test_bad_settings(start: Start, settings: dict[str, str], code: int, said: str) -> None:
    """Bad settings end it with a line that names them."""
    process = start(**settings)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert said in errors
    assert len(errors.splitlines()) == 1


def test_port_that_is_taken(start: Start) -> None:
    """A port that another process has ends it with a line that says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(DAYMARK_HTTP=f"127.0.0.1:{taken.getsockname()[1]}")
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Address already in use" in errors
