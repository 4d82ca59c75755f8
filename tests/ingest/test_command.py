"""`daymark ingest` as a container runs it: a real process, a real Kafka, nothing faked."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable

import pytest

from daymark.local import ports
from daymark.local.kafka import Kafka
from schemas.topics import Topics
from tests.ingest import wire
from tests.ingest.conftest import Start, address, logged, ready, started, until_ready
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
    os.kill(_children(parent.pid)[0], signal.SIGKILL)
    until_ready(started(parent))
    for _ in range(10):
        assert wire.exchange(servers[0].http, post()).status == 200
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(wire.PATIENCE_SECONDS) == 0
    with pytest.raises(ConnectionRefusedError):
        wire.connect(servers[0].http)


def test_workers_refuse_once_they_leave(start: Start, kafka: str, topics: Topics) -> None:
    """While one worker of two finishes a request, a new connection is refused, not taken and left unread."""
    parent = start("--workers", "2", DAYMARK_KAFKA=kafka, DAYMARK_TOPIC_PREFIX=topics.prefix)
    server = [started(parent), started(parent)][0]
    with wire.connect(server.http) as begun:
        begun.sendall(post()[:-1])
        parent.send_signal(signal.SIGTERM)
        wire.until(lambda: wire.refuses(server.http))
        begun.sendall(post()[-1:])
        assert wire.answer(begun).status == 200
    assert parent.wait(wire.PATIENCE_SECONDS) == 0


def test_workers_drain(start: Start, kafka: str, topics: Topics) -> None:
    """Workers drain on SIGTERM, too; a worker that has left holds no other's port, and a second signal ends it."""
    settings = {"DAYMARK_KAFKA": kafka, "DAYMARK_TOPIC_PREFIX": topics.prefix, "DAYMARK_DRAIN_S": "60"}
    parent = start("--workers", "2", **settings)
    servers = [started(parent), started(parent)]
    for server in servers:
        until_ready(server)
    parent.send_signal(signal.SIGTERM)
    wire.until(lambda: [ready(server) for server in servers] == [503, 503])
    assert wire.exchange(servers[0].http, post()).headers["connection"] == "close"
    os.kill(_children(parent.pid)[0], signal.SIGTERM)
    wire.until(lambda: sorted(map(wire.refuses, (server.admin for server in servers))) == [False, True])
    assert wire.exchange(servers[0].http, post()).status == 200
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(wire.PATIENCE_SECONDS) == 0
    assert wire.refuses(servers[0].http)


def test_port_opens_once_kafka_was_seen(start: Start, kafka: str, topics: Topics) -> None:
    """Until then connections are refused, so that a proxy tries another instance; /livez answers meanwhile."""
    late, http = Topics(f"{topics.prefix}late."), ("127.0.0.1", ports.choose())
    process = start(DAYMARK_KAFKA=kafka, DAYMARK_TOPIC_PREFIX=late.prefix, DAYMARK_HTTP=f"{http[0]}:{http[1]}")
    admin = address(logged(process, "ingest.starting")["admin"])
    assert wire.refuses(http)
    assert [wire.status(admin, path) for path in (b"/livez", b"/readyz")] == [200, 503]
    make(kafka, late.all(), 1)
    assert wire.exchange(started(process).http, post()).status == 200
    assert wire.status(admin, b"/readyz") == 200


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


def _children(parent: int) -> list[int]:
    return [int(pid) for pid in subprocess.check_output(["ps", "-o", "pid=", "--ppid", str(parent)]).split()]
