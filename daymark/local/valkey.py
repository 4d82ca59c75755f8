"""A Valkey server in one folder, on the loopback address, with the durability that the claims need.

Owns: its start, stop and kill. Does not: speak to it, beyond asking whether it is ready.
Invariant: what it acknowledged more than a second ago is there after a kill and a start; nothing is evicted, ever.
"""

import shutil
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from daymark.local import packages, ports, processes
from daymark.local.children import Child
from daymark.local.faults import LocalFault

_SETTINGS = {
    "bind": ports.LOOPBACK,
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",  # the append-only file is enough
    "maxmemory-policy": "noeviction",  # an evicted claim would be a second interaction
}
_START_S = 60.0
_STOP_S = 10.0
_ANSWER_S = 1.0
_POLL_S = 0.01


class Valkey:
    """One server."""

    name = "valkey"

    def __init__(
        self,
        folder: Path,
        *,
        preferred_port: int | None = None,
        settings: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> None:
        """Choose a port; nothing runs yet.

        Args:
            folder: Holds its data; what an earlier server left there is taken up.
            preferred_port: Taken if free.
            settings: Settings of valkey.conf, over ours.
            log: What it says is appended here; default: a file in the folder.
        """
        self._folder = folder.absolute()
        self._port = ports.choose(preferred_port)
        self._settings = _SETTINGS | dict(settings or {})
        self.log = log or self._folder / "valkey.log"
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The server's URL, as redis clients take it."""
        return f"redis://{ports.LOOPBACK}:{self._port}/0"

    @property
    def dead(self) -> bool:
        """Whether it was started and has ended by itself or by a kill."""
        return self._child is not None and not self._child.running

    @property
    def ending(self) -> str:
        """How it ended."""
        return self._child.ending if self._child is not None else "never started"

    def start(self) -> None:
        """Start the server if it does not run and return when it answers.

        Raises:
            LocalFault: It ended, or does not answer in time.
        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start the server if it does not run, ending what a killed owner left; don't wait for it."""
        if self._child is None or self.dead:
            data = self._folder / "data"
            data.mkdir(parents=True, exist_ok=True)
            processes.end_noted(self._folder / "pid", _STOP_S)
            settings = self._settings | {"port": str(self._port), "dir": str(data)}
            words = [word for name, value in settings.items() for word in (f"--{name}", value)]
            self._child = Child.start([packages.valkey_server(), *words], self._folder / "pid", self.log)

    def wait_ready(self) -> None:
        """Return when the server answers.

        Raises:
            LocalFault: It ended, or does not answer in time.
        """
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self.dead or time.monotonic() > deadline:
                raise LocalFault(f"Valkey did not start: see {self.log}")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop the server; its data stays."""
        if self._child is not None:
            self._child.stop(_STOP_S)
        self._child = None

    def kill(self) -> None:
        """Kill the server, as a crash would; `start` brings it back with its data."""
        if self._child is not None:
            self._child.kill()

    def wipe(self) -> None:
        """Remove the data of a server that does not run: the next start is empty."""
        shutil.rmtree(self._folder / "data", ignore_errors=True)

    def _answers(self) -> bool:
        """Ask for a PONG: while it loads its data the server answers with an error."""
        with suppress(OSError), socket.create_connection((ports.LOOPBACK, self._port), _ANSWER_S) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False
