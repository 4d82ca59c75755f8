"""All connections of one port, and what they share: the application, their maximum number, a clock.

Knows of a connection only that it can be looked at, asked to leave, and cut off.
"""

import asyncio
import heapq
from email.utils import formatdate
from typing import Final, Protocol

import structlog

from ingest.http.deadlines import PATIENT, Patience
from ingest.http.exchange import Application
from ingest.http.head_cache import HeadCache

log = structlog.get_logger()

_SPARE: Final = 16  # of so many connections that there may be, one is kept free: idle ones make room for new ones


class Member(Protocol):
    """One connection."""

    def check_deadlines(self, now: float) -> None:
        """Enforce deadlines. `now` is on the loop's clock."""

    def idle_since(self) -> float | None:
        """Return when the last request began; None: one is being read or answered."""

    def shutdown(self) -> None:
        """Close once the requests in progress are answered."""

    def abort(self) -> None:
        """Cut the connection off."""


class Connections:
    """All connections of one port, and what they share.

    Args:
        app: who answers.
        most: connections at a time; further ones are refused.
        patience: with their clients.
    """

    def __init__(self, app: Application, most: int, patience: Patience = PATIENT) -> None:
        self.app, self.most, self.patience = app, most, patience
        self.loop = asyncio.get_running_loop()
        self.heads = HeadCache()
        self.open: set[Member] = set()
        self.leaving = False  # each answer is its connection's last
        self._evicted: set[Member] = set()  # closed to make room, and not gone yet
        self._may_evict = True
        self._tell_date()

    def __len__(self) -> int:
        return len(self.open) + len(self._evicted)

    def admit(self, connection: Member) -> bool:
        """Count a new connection; false if there are too many. The longest idle ones are closed before that happens."""
        if len(self.open) >= self.most - self.most // _SPARE and self._may_evict:
            self._evict()
        self.open.add(connection)
        return len(self.open) <= self.most

    def forget(self, connection: Member) -> None:
        """Count a connection no more."""
        self.open.discard(connection)
        self._evicted.discard(connection)

    def tick(self) -> None:
        """Update the Date header and enforce deadlines. Called several times per second."""
        self._tell_date()
        self._may_evict = True
        now = self.loop.time()
        self.heads.forget(now)
        for connection in (*self.open, *self._evicted):
            try:
                connection.check_deadlines(now)
            except Exception:  # the timers of the others keep running
                log.exception("connection.failed")
                connection.abort()

    def last_answers(self) -> None:
        """Send `Connection: close` with the answer of every request that begins from now on."""
        self.leaving = True

    def shutdown(self) -> None:
        """Close all connections once their responses are sent."""
        self.last_answers()
        for connection in list(self.open):
            connection.shutdown()

    def abort(self) -> None:
        """Cut off what is left."""
        for connection in (*self.open, *self._evicted):
            connection.abort()

    def _evict(self) -> None:
        """Close a share of the connections, the longest idle first."""
        idle = {connection: since for connection in self.open if (since := connection.idle_since()) is not None}
        for connection in heapq.nsmallest(max(1, self.most // _SPARE), idle, idle.__getitem__):
            self.open.discard(connection)
            self._evicted.add(connection)
            connection.shutdown()
        self._may_evict = bool(idle)  # a search that found nothing is not repeated before the next look at the clocks

    def _tell_date(self) -> None:
        date = b"date: %s\r\n" % formatdate(usegmt=True).encode()
        self.end_of_head, self.end_of_last_head = date + b"\r\n", date + b"connection: close\r\n\r\n"
