"""The API without Kafka: in this process through ASGI, and as a real server behind real sockets."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from schemas.workspace import digest
from tests import discretion
from tests.ingest import wire
from tests.ingest.fake_server import KEY, ORIGIN

ROOT = Path(__file__).parents[2]

Start = Callable[..., subprocess.Popen[str]]


class Server(NamedTuple):
    """A running server: where it listens, and its process."""

    http: wire.Address
    admin: wire.Address
    process: subprocess.Popen[str]


def started(process: subprocess.Popen[str]) -> Server:
    """Return a server once it has logged that it listens."""
    said = logged(process, "ingest.started")
    return Server(address(said["http"]), address(said["admin"]), process)


def logged(process: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """Return the next line of a process's log that has an event's name."""
    assert process.stdout is not None
    for line in process.stdout:
        said: dict[str, Any] = json.loads(line)
        if said["event"] == event:
            return said
    raise AssertionError(f"the server ended with {process.wait(60)}")


def address(text: str) -> wire.Address:
    """Return host and port."""
    host, _, port = text.rpartition(":")
    return host, int(port)


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[..., Server]]:
    """Return what starts a server that browsers of some origins may call."""
    with ExitStack() as stack:
        yield lambda *origins: _start(stack, *origins)


@pytest.fixture(scope="session")
def server(servers: Callable[..., Server]) -> Server:
    """Return the server that tests share: whatever one sends it, it must go on for the others."""
    return servers()


@pytest.fixture(scope="session")
def browsers_server(servers: Callable[..., Server]) -> Server:
    """Return a server that browsers of ORIGIN may call."""
    return servers(ORIGIN)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """Return a server that the test may end."""
    with ExitStack() as stack:
        yield _start(stack)


@pytest.fixture(autouse=True)
def _goes_on(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test that uses the shared server, it still takes an event."""
    yield
    if "server" in request.fixturenames:
        shared: Server = request.getfixturevalue("server")
        assert wire.exchange(shared.http, wire.post()).status == 200


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `daymark ingest` with a key, on free ports; the arguments are more of its settings."""
    workspaces = tmp_path / "workspaces.toml"
    workspaces.write_text(f'[workspaces.acme]\nkeys = ["sha256:{digest(KEY).hex()}"]\n')
    with ExitStack() as stack:

        def start(*arguments: str, **settings: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-m", "daymark", "ingest", *arguments],
                cwd=tmp_path,
                env={
                    **{name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_")},
                    "PYTHONPATH": str(ROOT),
                    "DAYMARK_WORKSPACES": str(workspaces),
                    "DAYMARK_HTTP": "127.0.0.1:0",
                    "DAYMARK_ADMIN": "127.0.0.1:0",
                    "DAYMARK_DRAIN_S": "0",
                    **settings,
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                process_group=0,
            )
            stack.callback(_end, process)
            return process

        yield start


def ready(server: Server) -> int:
    """Return the status of /readyz."""
    return wire.status(server.admin, b"/readyz")


def until_ready(server: Server) -> None:
    """Wait until a server says that it is ready."""
    wire.until(lambda: ready(server) == 200, 30)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    for said in process.communicate():
        discretion.check(said)


@pytest.fixture
def draining_server() -> Iterator[Server]:
    """Return a server that serves for a minute after SIGTERM."""
    with ExitStack() as stack:
        yield _start(stack, drain_s=60)


def _start(stack: ExitStack, *origins: str, drain_s: float = 0) -> Server:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ingest.fake_server", *origins],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DRAIN_S": str(drain_s)},
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(_stop, process)
    return started(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    discretion.check(process.communicate()[0])
