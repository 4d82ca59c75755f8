"""The API without Kafka: in this process through ASGI, and as a real server behind real sockets."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ingest import wire
from tests.ingest.fake_server import ORIGIN

ROOT = Path(__file__).parents[2]


class Server(NamedTuple):
    """A running server: where it listens, and its process."""

    http: wire.Address
    admin: wire.Address
    process: subprocess.Popen[str]


def started(process: subprocess.Popen[str]) -> Server:
    """Return a server once it has logged that it listens."""
    assert process.stdout is not None
    for line in process.stdout:
        said = json.loads(line)
        if said["event"] == "ingest.started":
            return Server(_address(said["http"]), _address(said["admin"]), process)
    raise AssertionError(f"the server ended with {process.wait(10)}")


@pytest.fixture(scope="session")
def _servers() -> Iterator[Callable[..., Server]]:
    with ExitStack() as stack:
        yield lambda *origins: _start(stack, *origins)


@pytest.fixture(scope="session")
def server(_servers: Callable[..., Server]) -> Server:
    """Return the server that tests share: whatever one sends it, it must go on for the others."""
    return _servers()


@pytest.fixture(scope="session")
def browsers_server(_servers: Callable[..., Server]) -> Server:
    """Return a server that browsers of ORIGIN may call."""
    return _servers(ORIGIN)


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


def _start(stack: ExitStack, *origins: str) -> Server:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ingest.fake_server", *origins],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(_stop, process)
    return started(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def _address(text: str) -> wire.Address:
    host, _, port = text.rpartition(":")
    return host, int(port)
