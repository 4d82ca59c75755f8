"""A program of ours that runs beside Kafka and Valkey, and is ready when its health page says so."""

import http.client
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from daymark.local import processes
from daymark.local.children import Child
from daymark.local.faults import LocalFault

_START_S = 120.0
_STOP_S = 30.0  # a worker may need 25 s to commit what it holds
_ANSWER_S = 2.0
_POLL_S = 0.05
_LOG_BYTES = 20_000_000  # a longer log is put aside at the next start, over the one before


class Plan(NamedTuple):
    """How a program runs: its name, command line and whole environment, and the host and port of its `/readyz`."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    admin: tuple[str, int]


class Program:
    """One program, that may be started again."""

    def __init__(self, plan: Plan, folder: Path, log: Path) -> None:
        """Nothing runs yet.

        Args:
            plan: What to run.
            folder: Made, for the pid file.
            log: What it says is appended here.
        """
        self.name = plan.name
        self._plan = plan
        self._folder = folder
        self.log = log
        self._child: Child | None = None

    @property
    def dead(self) -> bool:
        """Whether it was started and has ended."""
        return self._child is not None and not self._child.running

    @property
    def ending(self) -> str:
        """How it ended."""
        return self._child.ending if self._child is not None else "never started"

    def launch(self) -> None:
        """Start it, ending what a killed owner left; don't wait for it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        processes.end_noted(self._folder / "pid", _STOP_S)
        put_aside(self.log)
        self._child = Child.start(self._plan.command, self._folder / "pid", self.log, self._plan.environ)

    def wait_ready(self) -> None:
        """Return when it is ready.

        Raises:
            LocalFault: It ended, or is not ready in time.
        """
        deadline = time.monotonic() + _START_S
        while not self._is_ready():
            if self.dead:
                raise LocalFault(f"{self.name} ended while starting: {last_line(self.log)} (see {self.log})")
            if time.monotonic() > deadline:
                raise LocalFault(f"{self.name} is not ready after {_START_S:.0f} s: see {self.log}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop it in its own order."""
        if self._child is not None:
            self._child.stop(_STOP_S)

    def ask_to_stop(self) -> None:
        """Ask it to stop and return at once."""
        if self._child is not None:
            self._child.ask_to_stop()

    def _is_ready(self) -> bool:
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection(*self._plan.admin, timeout=_ANSWER_S)) as connection,
        ):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        return False


def put_aside(log: Path) -> None:
    """Begin a new log when the old one has grown long."""
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))


def last_line(log: Path) -> str:
    """Return the last thing that was said in a log."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "no output")
