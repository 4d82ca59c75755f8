"""A worker's admin port over real sockets: the same server and pages as ingest's."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields

import pytest

from daymark import admin
from daymark.setting_types import Address
from ingest.http.listener import CannotListen
from processor import health, metrics


@pytest.fixture(autouse=True)
def _well() -> Iterator[None]:
    health.STATE.is_paused = False
    health.STATE.store_answers = True
    health.STATE.is_settled = True
    health.STATE.has_met_kafka = True
    health.STATE.looped()
    yield
    blank = health.State()
    for field in fields(blank):
        setattr(health.STATE, field.name, getattr(blank, field.name))


@pytest.fixture(params=["127.0.0.1", "::1", "::"])
def worker(request: pytest.FixtureRequest) -> Iterator[admin.Served]:
    served = admin.serve(Address(request.param, 0))
    yield served
    served.end()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", ["/livez", "/readyz?verbose=1", "/metrics", "/metrics?name[]=daymark_paused"])
def test_probes_and_scrapers_as_found(worker: admin.Served, method: str, target: str) -> None:
    """GET and HEAD, with or without a query, on IPv4 and IPv6."""
    status, body = _ask(worker.place, method, target)
    assert status == 200
    assert bool(body) is (method == "GET")


def test_each_page(worker: admin.Served) -> None:
    health.STATE.partitions = 7
    health.STATE.is_paused = True
    assert json.loads(_ask(worker.place, "GET", "/livez")[1]) == {"alive": True, "reason": ""}
    status, body = _ask(worker.place, "GET", "/readyz")
    assert (status, json.loads(body)) == (
        503,
        {"ready": False, "reason": "Redis is unavailable: partitions are paused"},
    )
    assert metrics.value(metrics.PARTITIONS) == 7
    assert b"\ndaymark_partitions 7.0\n" in _ask(worker.place, "GET", "/metrics")[1]
    assert _ask(worker.place, "GET", "/")[0] == 404
    assert _ask(worker.place, "POST", "/livez")[0] == 405


def test_hung_loop_is_not_alive(worker: admin.Served) -> None:
    health.STATE.looped_at = time.monotonic() - 1000
    assert _ask(worker.place, "GET", "/livez")[0] == 503


def test_every_address_includes_ipv4() -> None:
    """`[::]` serves IPv4 too, whatever the machine's default is."""
    served = admin.serve(Address("::", 0))
    port = served.place.rpartition(":")[2]
    try:
        assert [_ask(f"{host}:{port}", "GET", "/livez")[0] for host in ("127.0.0.1", "[::1]")] == [200, 200]
    finally:
        served.end()


def test_silent_connections_do_not_hold_others_up(worker: admin.Served) -> None:
    """Ten clients that send half a request and wait: the next probe is answered."""
    host, _, port = worker.place.rpartition(":")
    silent = [socket.create_connection((host.strip("[]"), int(port))) for _ in range(10)]
    try:
        for link in silent:
            link.sendall(b"GET /livez HTTP/1.1\r\nHost:")
        assert _ask(worker.place, "GET", "/livez")[0] == 200
    finally:
        for link in silent:
            link.close()


def test_port_in_use_is_reported(worker: admin.Served) -> None:
    host, _, port = worker.place.rpartition(":")
    with pytest.raises(CannotListen, match=r"cannot listen on .*in use"):
        admin.serve(Address(host.strip("[]"), int(port)))


def test_nothing_is_served_after_the_end() -> None:
    served = admin.serve(Address("127.0.0.1", 0))
    served.end()
    with pytest.raises(ConnectionRefusedError):
        _ask(served.place, "GET", "/livez")


def _ask(place: str, method: str, target: str) -> tuple[int, bytes]:
    host, _, port = place.rpartition(":")
    with closing(http.client.HTTPConnection(host.strip("[]"), int(port), timeout=60)) as connection:
        connection.request(method, target)
        answer = connection.getresponse()
        return answer.status, answer.read()
