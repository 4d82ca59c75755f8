"""The workspaces file changes while events flow: nothing is restarted, and no valid event is refused."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daymark.workspaces_file import WorkspacesFile
from schemas.topics import Topics
from schemas.workspace import digest
from tests.ingest import wire
from tests.ingest.conftest import Start, started, until_ready
from tests.ingest.fake_server import KEY
from tests.ingest.test_limits import Api
from tests.ingest.test_publisher import read_topic
from tests.ingest.wire import event, metric, post

PLAIN = f'[workspaces.acme]\nkeys = ["sha256:{digest(KEY).hex()}"]\n'
ELSEWHERE = {"type": "identify", "timestamp": 1590947747, "user": {"mails": [{"of": "work", "is": "A@b.co"}]}}
NEW, OLD = json.dumps(ELSEWHERE).encode(), event()
LIMITED = "daymark_ingest_workspaces_refused"


class World:
    """The API in this process, with a file of workspaces on a clock of the test's own."""

    def __init__(self, path: Path) -> None:
        self.path, self.now = path, 0.0
        self.put(PLAIN)
        self.file = WorkspacesFile(path, lambda: self.now)
        self.api = Api(workspaces=self.file.current)

    def put(self, text: str | None) -> None:
        """Replace the file by one that has been still for a while, or take it away; the next request sees it."""
        if text is None:
            self.path.unlink()
        else:
            new = self.path.with_suffix(".new")
            new.write_text(text)
            os.utime(new, (0, 0))
            new.replace(self.path)

    def codes(self, *bodies: bytes) -> list[str]:
        """Send events; return the codes of their answers."""
        self.now += 1
        return asyncio.run(self._codes(bodies))

    async def _codes(self, bodies: tuple[bytes, ...]) -> list[str]:
        return [(await self.api.send(KEY, body)).code for body in bodies]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "workspaces.toml")


def test_a_format_is_changed_while_events_flow(world: World) -> None:
    """Widened first, it takes the old events and the new; narrowed, the new alone; every one in the file's words."""

    def put(email: str) -> None:
        world.put(f'{PLAIN}[workspaces.acme.format]\nemail = "{email}"\n')

    assert world.codes(OLD, NEW) == ["", "missing_email"]
    put("traits.email || (user.mails[?of=='work'].is | [0])")
    assert world.codes(OLD, NEW) == ["", ""]
    put("user.mails[?of=='work'].is | [0]")
    assert world.codes(OLD, NEW) == ["missing_email", ""]
    world.put(PLAIN)
    assert world.codes(OLD, NEW) == ["", "missing_email"]
    assert (b"a@b.co", NEW) in world.api.delivery.published


def test_a_format_counts_in_a_batch(world: World) -> None:
    """And in a list: whatever brings an event."""
    world.put(PLAIN + "[workspaces.acme.format]\nemail = 'user.mails[0].is'\n")
    assert world.codes(b"[%s,%s]" % (NEW, NEW)) == [""]
    assert [key for key, _ in world.api.delivery.published] == [b"a@b.co"] * 2


def test_a_rate_is_changed_while_events_flow(world: World) -> None:
    """From none to one, to another, to none."""
    assert world.codes(*[OLD] * 20) == [""] * 20
    world.put(PLAIN + "rate_per_second = 5\n")
    world.api.now += 1
    assert Counter(world.codes(*[OLD] * 20)) == {"": 5, "rate_limited": 15}
    world.put(PLAIN + "rate_per_second = 10\n")
    assert world.codes(OLD) == ["rate_limited"]
    world.api.now += 1
    assert Counter(world.codes(*[OLD] * 20)) == {"": 10, "rate_limited": 10}
    world.put(PLAIN)
    assert world.codes(*[OLD] * 20) == [""] * 20


@pytest.mark.parametrize(
    "bad", [PLAIN + "rate_per_second = 0\n", PLAIN + "[workspaces.acme.format]\nemail = 'a['\n", None]
)
def test_a_bad_file_refuses_nothing(world: World, bad: str | None) -> None:
    """One with a fault, or none, leaves all as it was and raises the alert, until there is a good one."""
    assert not world.file.is_refused()
    world.put(bad and PLAIN + bad)
    assert world.codes(*[OLD] * 5) == [""] * 5
    assert world.codes(*[OLD] * 5) == [""] * 5
    assert world.file.is_refused()
    world.put(PLAIN)
    assert world.codes(OLD) == [""]
    assert not world.file.is_refused()


def test_keys_are_rotated_while_events_flow(start: Start, kafka: str, topics: Topics, tmp_path: Path) -> None:
    """Two processes learn the new key, then forget the old: neither is restarted, no event with a live key refused."""
    path = tmp_path / "workspaces.toml"
    parent = start("--workers", "2", DAYMARK_KAFKA=kafka, DAYMARK_TOPIC_PREFIX=topics.prefix)
    servers = [started(parent), started(parent)]
    for server in servers:
        until_ready(server)

    def known(key: str) -> Callable[[], bool]:
        return lambda: {_send(servers[0].http, key) for _ in range(20)} == {""}

    def unknown_to_both(key: str) -> Callable[[], bool]:
        counted = 'daymark_ingest_requests_total{code="unknown_key",status="401"}'
        before = [metric(server.admin, counted) for server in servers]

        def found() -> bool:
            _send(servers[0].http, key)
            return all(metric(server.admin, counted) > count for server, count in zip(servers, before, strict=True))

        return found

    pids = _children(parent.pid)
    with _flow(servers[0].http, KEY) as with_old:
        new = _keys("new", "acme", path=path).strip()
        wire.until(known(new), 30)
        assert known(KEY)()
    with _flow(servers[0].http, new) as with_new:
        _keys("revoke", "acme", digest(KEY).hex()[:12], path=path)
        wire.until(unknown_to_both(KEY), 30)
        wire.until(lambda: {_send(servers[0].http, KEY) for _ in range(20)} == {"unknown_key"}, 30)
    assert [with_old.keys(), with_new.keys()] == [{""}, {""}]
    assert _children(parent.pid) == pids
    assert len(read_topic(kafka, topics.events)) >= with_old.total() + with_new.total()


def test_a_bad_file_is_an_alert_in_every_process(start: Start, kafka: str, topics: Topics, tmp_path: Path) -> None:
    """Nobody need send anything for it to be seen."""
    parent = start("--workers", "2", DAYMARK_KAFKA=kafka, DAYMARK_TOPIC_PREFIX=topics.prefix)
    servers = [started(parent), started(parent)]
    path = tmp_path / "workspaces.toml"
    good = path.read_text()
    for text, alert in ((good, 0), ("[workspaces", 1), (good, 0), (None, 1)):
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        for server in servers:
            wire.until(lambda server=server, alert=alert: metric(server.admin, LIMITED) == alert, 30)  # type: ignore[misc]
    for server in servers:  # either may be the one that answers
        until_ready(server)
    assert _send(servers[0].http, KEY) == ""


@contextmanager
def _flow(address: wire.Address, key: str) -> Iterator[Counter[str]]:
    """Send one event after the other meanwhile, each on a new connection; count the codes of the responses."""
    codes: Counter[str] = Counter()
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.01):
            codes[_send(address, key)] += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield codes
    finally:
        stop.set()
        thread.join(wire.PATIENCE_SECONDS)
    assert codes.total()


def _send(address: wire.Address, key: str) -> str:
    return wire.exchange(address, post(event(), b"Authorization: Bearer " + key.encode(), key=False)).code


def _keys(*arguments: str, path: Path) -> str:
    command = [sys.executable, "-m", "daymark", "keys", *arguments, "--file", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ, timeout=60).stdout


def _children(pid: int) -> list[int]:
    return sorted(int(found) for found in subprocess.check_output(["ps", "-o", "pid=", "--ppid", str(pid)]).split())
