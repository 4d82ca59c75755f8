"""Ingest behind the real nginx and HAProxy, configured as docs/proxies.md says: TLS, limits, and rolling restarts."""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from daymark.local import ports
from schemas.topics import Topics
from schemas.workspace import digest
from tests.edge import proxies
from tests.edge.proxies import Instance, Proxy
from tests.flows import Process, Road, wait_until
from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.fake_server import KEY
from tests.ingest.wire import event

RESTARTS = 10  # of each of two instances
DRAIN_S = 3  # above HAProxy's notice and nginx's time for idle connections, as the page says
SENDERS = 3  # for each proxy
KAFKA_LATE_S, PROXY_LATE_S = 3.9, 12.0  # a 503 in between is ingest's own, of a Kafka under other tests' load
PAUSE_S = 0.03  # between a sender's requests


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Sender(threading.Thread):
    """Sends one event after the other through a proxy, on connections that it keeps for some requests each."""

    def __init__(self, proxy: Proxy, number: int, stop: threading.Event) -> None:
        super().__init__(name=f"{proxy.folder.name}-{number}".lower())
        self.proxy, self._stopped = proxy, stop
        self.accepted: list[str] = []
        self.failures: list[str] = []

    def run(self) -> None:
        sent = 0
        while not self._stopped.is_set():
            with closing(_connection(self.proxy)) as link:
                for _ in range(50):
                    sent += 1
                    self._send(link, f"{self.name}-{sent}@example.com")
                    if self._stopped.wait(PAUSE_S):
                        return

    def _send(self, link: http.client.HTTPSConnection, email: str) -> None:
        began = time.monotonic()
        try:
            answer = _ask(link, event(traits={"email": email}))
        except (OSError, http.client.HTTPException) as error:
            link.close()
            self.failures.append(f"{email}: {error!r}")
            return
        if answer.status == 200:
            self.accepted.append(email)
        elif answer.status != 503 or not KAFKA_LATE_S < time.monotonic() - began < PROXY_LATE_S:
            self.failures.append(f"{email}: {answer.status} {answer.body!r}")


class Fleet:
    """Two ingests on fixed ports, and what restarts them."""

    def __init__(self, road: Road, workspaces: Path) -> None:
        self._road, self._workspaces = road, workspaces
        self.instances = [Instance(ports.choose(), ports.choose()) for _ in range(2)]
        self._processes = [self._start(at) for at in self.instances]
        for at in self.instances:
            _wait_ready(at)

    def restart(self, number: int) -> None:
        """End one instance by SIGTERM, and start it anew."""
        assert self._processes[number].end() == 0
        self._processes[number] = self._start(self.instances[number])
        _wait_ready(self.instances[number])

    def end(self) -> None:
        for process in self._processes:
            process.end()

    def _start(self, at: Instance) -> Process:
        return self._road.start(
            "ingest",
            DAYMARK_WORKSPACES=str(self._workspaces),
            DAYMARK_HTTP=f"127.0.0.1:{at.http}",
            DAYMARK_ADMIN=f"127.0.0.1:{at.admin}",
            DAYMARK_DRAIN_S=str(DRAIN_S),
        )


@pytest.fixture
def road(kafka: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, "redis://127.0.0.1:1", topics, claim_key)


@pytest.fixture
def workspaces(tmp_path: Path) -> Path:
    path = tmp_path / "workspaces.toml"
    path.write_text(f'[workspaces.acme]\nkeys = ["sha256:{digest(KEY).hex()}"]\n')
    return path


@pytest.mark.timeout(900)
def test_rolling_restarts_fail_no_request(road: Road, workspaces: Path) -> None:
    """Two ingests, ten restarts each, under load: every request is answered 200, and none is lost.

    Through both proxies, as the page configures them and without repeated requests, which would hide a broken
    connection. Only nginx without them may leave one in a thousand: it notices nothing before it is refused.
    """
    with ExitStack() as stack:
        fleet = Fleet(road, workspaces)
        stack.callback(fleet.end)
        behind = [
            stack.enter_context(proxies.running(name, fleet.instances, repeating=repeating))
            for name in proxies.NAMES
            for repeating in (True, False)
        ]
        haproxies = [proxy for proxy in behind if proxy.name == "haproxy"]
        _wait_up(haproxies)
        stop = threading.Event()
        senders = [Sender(proxy, number, stop) for proxy in behind for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            for _ in range(RESTARTS):
                for number in range(2):
                    fleet.restart(number)
                    _wait_up(haproxies)
        finally:
            stop.set()
            for sender in senders:
                sender.join()
    for sender in senders:
        sys.stdout.write(f"{sender.name}: {len(sender.accepted)} accepted, {len(sender.failures)} failed\n")
    plain_nginx = [sender for sender in senders if sender.proxy is behind[-1]]
    assert [failure for sender in senders if sender not in plain_nginx for failure in sender.failures] == []
    left = sum(len(sender.failures) for sender in plain_nginx)
    assert left * 1000 <= sum(len(sender.accepted) for sender in plain_nginx)
    assert min(len(sender.accepted) for sender in senders) > 10 * RESTARTS
    keys = {record.key.decode() for record in road.committed(road.topics.events)}
    assert {email for sender in senders for email in sender.accepted} <= keys


@pytest.fixture(params=proxies.NAMES)
def proxied(request: pytest.FixtureRequest, own_server: Server) -> Iterator[tuple[Proxy, Server]]:
    """A proxy in front of one ingest; the other instance is not there."""
    away = Instance(ports.choose(), ports.choose())
    here = Instance(own_server.http[1], own_server.admin[1])
    with proxies.running(request.param, [here, away]) as proxy:
        if proxy.name == "haproxy":
            wait_until(lambda: proxy.servers_up() == 1, "HAProxy has noticed")
        yield proxy, own_server


def test_what_ingest_answers_arrives(proxied: tuple[Proxy, Server]) -> None:
    """Through TLS, with one instance away: accepted, refused, and a body above a proxy's own limit of 1 MB."""
    proxy, _ = proxied
    with closing(_connection(proxy)) as link:
        for body, status in ((event(), 200), (b"{", 400), (b" " * 1_500_000, 413), (event(), 200)):
            answer = _ask(link, body)
            assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
            assert json.loads(answer.body)["success"] is (status == 200)


def test_nobody_there(proxied: tuple[Proxy, Server]) -> None:
    """The proxy's own answer is one that senders understand: 503, JSON, with Retry-After."""
    proxy, server = proxied
    server.process.kill()
    server.process.wait(60)
    with closing(_connection(proxy)) as link:
        answer = _ask(link, event())
    assert (answer.status, answer.headers["content-type"], answer.headers["retry-after"]) == (
        503,
        "application/json",
        "5",
    )
    assert json.loads(answer.body)["code"] == "unavailable"


def _connection(proxy: Proxy) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection(proxies.HOST, proxy.port, timeout=30, context=proxy.trust)


def _ask(link: http.client.HTTPSConnection, body: bytes) -> Answer:
    link.request("POST", "/v1/identify", body, {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
    answer = link.getresponse()
    return Answer(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())


def _wait_ready(at: Instance) -> None:
    def is_ready() -> bool:
        try:
            return wire.status(("127.0.0.1", at.admin), b"/readyz") == 200
        except OSError:
            return False

    wait_until(is_ready, "the instance is ready")


def _wait_up(haproxies: Iterable[Proxy]) -> None:
    """Wait until HAProxy sends requests to both: who restarts one instance after the other waits for that."""
    for proxy in haproxies:
        wait_until(lambda proxy=proxy: proxy.servers_up() == 2, "HAProxy holds both instances for up")  # type: ignore[misc]
