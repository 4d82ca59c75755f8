"""The Kafka and the Valkey that all tests of a run share: given, in containers, or embedded (HOUSE.md, Tests).

Owns: which of the three it is, and starting them once a run, when the first test asks. A separate process
(`parts_server.py`) holds them, so that they outlive the xdist worker that asked first and end with the run.
"""

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import pytest

from daymark.local import processes

Kind = Literal["given", "testcontainers", "embedded"]
_SERVER = Path(__file__).with_name("parts_server.py")
_ROOT = _SERVER.parent.parent
_READY_S = 600  # a first run fetches jars
_STOP_S = 30
_POLL_S = 0.05


class Addresses(NamedTuple):
    """Where the shared parts are: bootstrap servers and a URL."""

    kafka: str
    redis: str


class Parts(NamedTuple):
    """What a run knows of them from its start: their kind, the folder they are found through, whose end is theirs."""

    kind: Kind
    folder: Path
    watched_pid: int
    given: Addresses | None


def choose(environ: Mapping[str, str], folder: Path) -> Parts:
    """Decide for a run, in the process that leads it."""
    kafka, redis = environ.get("DAYMARK_TEST_KAFKA"), environ.get("DAYMARK_TEST_REDIS")
    if kafka and redis:
        return Parts("given", folder, os.getpid(), Addresses(kafka, redis))
    if kafka or redis:
        raise pytest.UsageError("set both of DAYMARK_TEST_KAFKA and DAYMARK_TEST_REDIS, or none")
    return Parts("testcontainers" if engine_answers(environ) else "embedded", folder, os.getpid(), None)


def describe(parts: Parts) -> str:
    """Return the line for the header of the run."""
    where = f" ({parts.given.kafka}, {parts.given.redis})" if parts.given else ""
    return f"daymark: kafka and valkey: {parts.kind}{where}"


def addresses(parts: Parts) -> Addresses:
    """Return where the shared parts are, starting them if no test of this run has asked before."""
    if parts.given:
        return parts.given
    with (parts.folder / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = parts.folder / "addresses.json"
        if not ready.exists():
            _start(parts, ready)
        return Addresses(**json.loads(ready.read_text()))


def stop(parts: Parts) -> None:
    """Stop what was started."""
    processes.end_noted(parts.folder / "pid", _STOP_S)


def _start(parts: Parts, ready: Path) -> None:
    log = parts.folder / "log"
    with log.open("ab") as stream:
        # It forks, so this returns at once.
        command = [sys.executable, str(_SERVER), parts.kind, str(parts.folder), str(parts.watched_pid)]
        environ = {**os.environ, "PYTHONPATH": str(_ROOT)}
        subprocess.run(command, stdout=stream, stderr=stream, env=environ, check=True)
    deadline = time.monotonic() + _READY_S
    while not ready.exists():
        if processes.noted(parts.folder / "pid") is None or time.monotonic() > deadline:
            pytest.exit(f"Kafka and Valkey ({parts.kind}) did not start:\n{log.read_text()}", returncode=3)
        time.sleep(_POLL_S)


def engine_answers(environ: Mapping[str, str]) -> bool:
    """Ask a Docker engine for a sign of life; faster than to load its client."""
    engine = urlsplit(environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    local = engine.scheme == "unix"
    address: Any = engine.path if local else (engine.hostname, engine.port)
    with suppress(OSError), socket.socket(socket.AF_UNIX if local else socket.AF_INET) as connection:
        connection.settimeout(2)
        connection.connect(address)
        connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return connection.recv(64).split()[1:2] == [b"200"]
    return False
