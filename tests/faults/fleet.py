"""The processes under test: started, hurt, and started again when they have ended.

Every process dies with the run (`daymark.local.children`, `forkserver`). Use it from the main thread.
"""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from daymark.local.children import Child

_PAUSE_S, _FAILED_PAUSE_S = 0.1, 1.0  # before one that ended is started again; the latter when it gave up by itself
_END_S = 40.0


class Life(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int:
        """The process's id."""

    @property
    def running(self) -> bool:
        """Whether it still runs, or is stopped."""

    def kill(self) -> int:
        """Kill it and return its exit status."""

    def wait(self, seconds: float) -> int:
        """Wait for its end, kill it when that takes longer, and return its exit status."""


Start = Callable[[Mapping[str, str], Path], Life]
"""Starts a process in an environment; what it says is appended to a log."""


class Program(Child):
    """A separate program."""

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid


def program(*arguments: str) -> Start:
    """Return what starts Python with some arguments."""

    def start(environ: Mapping[str, str], log: Path) -> Life:
        return Program.start([sys.executable, *arguments], log.with_suffix(".pid"), log, environ)

    return start


class Member:
    """One process that is kept running: a worker or an ingest. `ends` counts how it has ended, by exit status.

    To Kafka each of its lives is a separate client, named `client`.
    """

    def __init__(self, name: str, start: Start, environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.ends: Counter[int] = Counter()
        self.log = folder / f"{name}.log"
        self.client = ""
        self.wanted = False
        self._lives = 0
        self._start = start
        self._environ = {**_plain_environ(), **environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        self._child: Life | None = None
        self._due = 0.0

    @property
    def running(self) -> bool:
        """Whether it runs, or is stopped."""
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        return self._child.pid if self._child is not None and self.running else None

    def signal(self, number: signal.Signals, pid: int | None = None) -> bool:
        """Send a signal, if it runs, and is still `pid` where one is given; return whether it was sent."""
        if self.pid is None or pid not in {None, self.pid}:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return True

    def wake(self, pid: int) -> None:
        """Let a stopped process go on, if it is still `pid`."""
        self.signal(signal.SIGCONT, pid)

    def look(self) -> None:
        """Note an end; start it when it should run and its pause is over."""
        if self._child is not None and not self._child.running:
            status = self._child.kill()
            self.ends[status] += 1
            self._child = None
            self._due = time.monotonic() + (_FAILED_PAUSE_S if status > 0 else _PAUSE_S)
        if self.wanted and self._child is None and time.monotonic() >= self._due:
            self._lives += 1
            self.client = f"{self.name}-{self._lives}"
            self._child = self._start({**self._environ, "DAYMARK_KAFKA_CLIENT_ID": self.client}, self.log)

    def ask_to_end(self) -> None:
        """Tell it to leave, and don't start it again."""
        self.wanted = False
        if self.signal(signal.SIGCONT):
            self.signal(signal.SIGTERM)

    def wait_ended(self) -> None:
        """Wait until it has left; kill it when that takes too long."""
        if self._child is not None:
            self.ends[self._child.wait(_END_S)] += 1
            self._child = None


class Fleet:
    """All of them."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = list(members)

    def start(self) -> None:
        """Start all."""
        for member in self.members:
            member.wanted = True
        self.look()

    def look(self) -> None:
        """Look after each."""
        for member in self.members:
            member.look()

    def end(self) -> None:
        """Let all leave."""
        for member in self.members:
            member.ask_to_end()
        for member in self.members:
            member.wait_ended()


def _plain_environ() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_")}
