"""One listening port: bound first, then open to connections, then closed without losing one.

Owns the socket and its timer; `Connections` owns the traffic. The API and both admin ports, ingest's and a worker's,
are such ports. Invariant: a connection is accepted only while it will be read, otherwise it is refused.
"""

import asyncio
import errno
import socket
from contextlib import suppress
from typing import Final

import structlog

from ingest.http.connection import Connection
from ingest.http.connections import Connections
from ingest.http.deadlines import PATIENT, Patience
from ingest.http.exchange import Application

log = structlog.get_logger()

TICK_SECONDS: Final = 0.25  # how late an expired deadline may be noticed
_BACKLOG: Final = 4096
_LOOK_SECONDS: Final = 0.02
_ON_ITS_WAY_SECONDS: Final = 0.5  # for a request that was sent before its sender could know that the port is closed
_IPV6_ANY: Final = "::"
_IPV4_ANY: Final = "0.0.0.0"  # noqa: S104  in place of `::`


class CannotListen(Exception):
    """The port is in use, or the address does not belong to this machine."""


def bind(address: tuple[str, int]) -> socket.socket:
    """Return a socket bound to host and port; it does not listen, so connections are refused.

    `::` accepts IPv4 as well, whatever the default of `IPV6_V6ONLY` is, and IPv4 alone where there is no IPv6.

    Raises:
        CannotListen: the address cannot be bound; the text says why.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT and address[0] == _IPV6_ANY:
            return bind((_IPV4_ANY, address[1]))
        raise _cannot_listen(address, error) from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # its predecessor's connections may linger
        if family == socket.AF_INET6:
            with suppress(OSError):  # an operating system without dual-stack sockets
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, place[0] != _IPV6_ANY)
        bound.bind(place)
    except OSError as error:
        bound.close()
        raise _cannot_listen(address, error) from None
    return bound


def shown(address: tuple[str, int]) -> str:
    """Return host:port as a URL has it, an IPv6 host in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Listener:
    """One port. To be made within the event loop that serves it.

    Args:
        bound: from `bind`.
        app: answers the requests.
        most: connections at a time; further ones are refused.
        patience: how long clients are waited for.
    """

    def __init__(self, bound: socket.socket, app: Application, most: int, patience: Patience = PATIENT) -> None:
        self._bound, self.address = bound, shown(bound.getsockname()[:2])
        self.connections = Connections(app, most, patience)
        self.is_open = False
        self._server: asyncio.Server
        self._ticking: asyncio.Task[None]

    async def open(self) -> None:
        """Listen, and accept connections.

        Raises:
            CannotListen: another process has begun to listen there since the socket was bound.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._connect, sock=self._bound, backlog=_BACKLOG)
        except OSError as error:
            raise _cannot_listen(self._bound.getsockname()[:2], error) from None
        self._ticking = loop.create_task(self._tick())
        self.is_open = True

    async def close(self, seconds: float) -> None:
        """Refuse new connections, finish the open ones, and abort what is left after so many seconds."""
        if not self.is_open:
            self._bound.close()
            return
        self.is_open = False
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        self.connections.last_answers()
        accepted = _queued(self._bound)
        self._server.close()
        for each in accepted:
            await loop.connect_accepted_socket(self._connect, each)
        if self.connections:
            await asyncio.sleep(_ON_ITS_WAY_SECONDS)
        self.connections.shutdown()
        while self.connections and loop.time() < deadline:  # noqa: ASYNC110  seldom, and not for long
            await asyncio.sleep(_LOOK_SECONDS)
        self.connections.abort()
        self._ticking.cancel()

    def _connect(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self.connections)

    async def _tick(self) -> None:
        while True:
            try:
                self.connections.tick()
            except Exception:
                log.exception("tick.failed")  # one connection's fault must not stop the clock of all
            await asyncio.sleep(TICK_SECONDS)


def _queued(listening: socket.socket) -> list[socket.socket]:
    """Accept connections queued in the kernel: they are established, and closing the socket would reset them."""
    accepted: list[socket.socket] = []
    with suppress(OSError):
        for _ in range(_BACKLOG):  # no longer, should they keep coming
            accepted.append(listening.accept()[0])  # noqa: PERF401  what was accepted before the error counts
    return accepted


def _cannot_listen(address: tuple[str, int], error: OSError) -> CannotListen:
    return CannotListen(f"cannot listen on {shown(address)}: {error.strerror or error}")
