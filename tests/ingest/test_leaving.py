"""SIGTERM: open requests are finished, then the process leaves, with 0."""

import signal

import pytest

from tests.ingest import wire
from tests.ingest.conftest import Server, ready
from tests.ingest.wire import event, post

SLOW = post(event(traits={"email": "slow@example.com"}))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_open_requests_are_finished(own_server: Server, number: signal.Signals) -> None:
    """What was begun is answered, and the connection closed behind it; idle connections are closed at once."""
    idle, busy, begun = (wire.connect(own_server.http) for _ in range(3))
    with idle, busy, begun:
        idle.sendall(post())
        assert wire.answer(idle).status == 200
        busy.sendall(SLOW)
        begun.sendall(SLOW[:30])
        _until_in_flight(own_server)
        own_server.process.send_signal(number)
        assert wire.is_closed(idle)
        begun.sendall(SLOW[30:])
        for link in (busy, begun):
            reply = wire.answer(link)
            assert (reply.status, reply.headers["connection"]) == (200, "close")
            assert wire.is_closed(link)
    assert own_server.process.wait(wire.PATIENCE_SECONDS) == 0


def test_not_ready_while_leaving(own_server: Server) -> None:
    """After SIGTERM /readyz reports it and no connection is accepted, while open requests are finished."""
    with wire.connect(own_server.http) as busy, wire.connect(own_server.admin) as health:
        busy.sendall(post(event(traits={"email": "late@example.com"})))
        _until_in_flight(own_server)
        own_server.process.send_signal(signal.SIGTERM)
        wire.until(lambda: wire.refuses(own_server.http))
        health.sendall(wire.request(b"GET", b"/readyz", b""))
        data = b""
        while not data.endswith(b"}"):
            data += health.recv(65536)
        assert data.startswith(b"HTTP/1.1 503 ")
        assert data.endswith(b'{"ready":false,"reason":"shutting down"}')
        assert wire.answer(busy).status == 503
    assert own_server.process.wait(wire.PATIENCE_SECONDS) == 0


def test_nothing_to_finish(own_server: Server) -> None:
    """A process that no one talks to leaves at once; a client that says nothing does not hold it."""
    with wire.connect(own_server.http):
        own_server.process.send_signal(signal.SIGTERM)
        assert own_server.process.wait(wire.PATIENCE_SECONDS) == 0


def test_drain(draining_server: Server) -> None:
    """After SIGTERM everything is still served for a time, not ready, and each connection ends with its next answer.

    A second signal ends the time.
    """
    server = draining_server
    with wire.connect(server.http) as kept, wire.connect(server.http) as silent:
        kept.sendall(post())
        assert "connection" not in wire.answer(kept).headers
        server.process.send_signal(signal.SIGTERM)
        wire.until(lambda: ready(server) == 503)
        with wire.connect(server.http) as new:
            for link in (kept, new):
                link.sendall(post())
                reply = wire.answer(link)
                assert (reply.status, reply.headers["connection"]) == (200, "close")
                assert wire.is_closed(link)
        silent.sendall(post()[:30])
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        wire.until(lambda: wire.refuses(server.http))
        silent.sendall(post()[30:])
        assert wire.answer(silent).status == 200
    assert server.process.wait(wire.PATIENCE_SECONDS) == 0


def test_interrupt_does_not_drain(draining_server: Server) -> None:
    """Ctrl-C is somebody who waits."""
    draining_server.process.send_signal(signal.SIGINT)
    assert draining_server.process.wait(wire.PATIENCE_SECONDS) == 0


def _until_in_flight(server: Server) -> None:
    wire.until(lambda: wire.metric(server.admin, "daymark_ingest_requests_in_flight") > 0)
