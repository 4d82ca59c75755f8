"""A TCP proxy that cuts, delays and black-holes, from an event loop in a separate thread.

Knows nothing of what it carries, save where it is given traps: there it carries Kafka's frames (`conversation`).
Invariant: what passes is in order and whole; bytes that a black hole has held are delivered when it is healed, as a
network does that was away for a while.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Self, TypeVar

from confluent_kafka.admin import AdminClient

from daymark.local import ports
from tests.faults.conversation import Conversation, End, Pass, reset
from tests.faults.frames import Address
from tests.faults.schedule import DIRECTIONS
from tests.faults.traps import Traps

_CHUNK_BYTES = 65536
T = TypeVar("T")


class Link:
    """A port that leads to one server, and its state of health. All methods are called in the proxy's loop."""

    def __init__(self, upstream: Address, listens_on: int, traps: Traps | None, moves: Mapping[Address, int]) -> None:
        """Take the server, the port to listen on and, for a Kafka node, its cluster's traps and links' ports."""
        self.port = listens_on
        self.upstream: tuple[str, int] = upstream
        self._traps, self._moves = traps, moves
        self.held = 0  # pieces that had to wait while something was held
        self._passing = {direction: asyncio.Event() for direction in DIRECTIONS}
        for passing in self._passing.values():
            passing.set()
        self._delay_s = 0.0
        self._refusing = False
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self) -> asyncio.Server:
        """Listen."""
        return await asyncio.start_server(self._carry, ports.LOOPBACK, self.port, limit=4 * _CHUNK_BYTES)

    def cut(self) -> None:
        """Reset every connection, and each new one, until `heal`."""
        self._refusing = True
        for writer in self._open:
            reset(writer)

    def clients(self) -> list[int]:
        """Return the ports that this link's clients are connected from."""
        peers = [writer.get_extra_info("peername") for writer in self._open]
        return sorted(port for _, port in filter(None, peers) if port != self.upstream[1])

    def reset_one(self) -> None:
        """Reset one connection; the others, and each new one, go on."""
        for writer in [*self._open][:1]:
            reset(writer)

    def delay(self, seconds: float) -> None:
        """Let each piece wait."""
        self._delay_s = seconds

    def hold(self, *directions: str) -> None:
        """Drop everything silently, or what goes one way only: "requests" or "answers"."""
        for direction in directions or DIRECTIONS:
            self._passing[direction].clear()

    def heal(self) -> None:
        """Be a network again."""
        self._refusing, self._delay_s = False, 0.0
        for passing in self._passing.values():
            passing.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            if self._refusing:
                return
            for passing in self._passing.values():  # a new connection needs both ways
                await passing.wait()
            with suppress(OSError, asyncio.CancelledError):  # the latter at the end of the proxy
                answers, upstream = await asyncio.open_connection(*self.upstream, limit=4 * _CHUNK_BYTES)
                self._open.add(upstream)
                await self._carry_both(End(reader, writer), End(answers, upstream))
        finally:
            for end in (writer, upstream):
                if end is not None:
                    self._open.discard(end)
                    reset(end) if self._refusing else end.close()

    async def _carry_both(self, client: End, server: End) -> None:
        out, back = (partial(self._pass, direction) for direction in DIRECTIONS)
        if self._traps is None:
            await _first(_pump(client.reader, server.writer, out), _pump(server.reader, client.writer, back))
        else:
            talk = Conversation(client, server, Address(*self.upstream), self._traps, (out, back))
            await _first(talk.requests(), talk.answers(self._moves))

    async def _pass(self, direction: str, data: bytes, writer: asyncio.StreamWriter) -> None:
        passing = self._passing[direction]
        self.held += not passing.is_set()
        await passing.wait()
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        writer.write(data)
        await writer.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pass_on: Pass) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            await pass_on(data, writer)


async def _first(*directions: Coroutine[Any, Any, None]) -> None:
    """Carry both ways until one side has ended, as both do in the protocols of Kafka and Redis."""
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Proxy:
    """The loop of all links; its methods may be called by any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Run a proxy."""
        proxy = cls()
        proxy._thread.start()
        try:
            yield proxy
        finally:
            proxy._call(proxy._end())
            proxy._loop.call_soon_threadsafe(proxy._loop.stop)
            proxy._thread.join(10)
            proxy._loop.close()

    def open(
        self,
        host: str,
        port: int,
        listens_on: int | None = None,
        traps: Traps | None = None,
        moves: Mapping[Address, int] | None = None,
    ) -> Link:
        """Return a new link to a server.

        Args:
            host: of the server.
            port: of the server.
            listens_on: by default any free port.
            traps: those of its cluster, if it is a Kafka node.
            moves: where clients are to find the nodes that it names; by default where it says.
        """

        async def make() -> Link:
            link = Link(Address(host, port), listens_on or ports.choose(), traps, moves or {})
            self._servers.append(await link.serve())
            return link

        link: Link = self._call(make())
        return link

    def open_cluster(self, kafka: str, traps: Traps) -> list[Link]:
        """Return a link to each node of a Kafka on this machine, none for one that is elsewhere.

        Clients of one of them get the addresses of the others instead of the nodes' own.
        """
        admin = AdminClient({"bootstrap.servers": kafka})
        nodes = [Address(node.host, node.port) for node in admin.describe_cluster().result(30).nodes]
        if any(socket.gethostbyname(node.host) != ports.LOOPBACK for node in nodes):
            return []
        moves = {node: ports.choose() for node in nodes}
        return [self.open(*node, moves[node], traps, moves) for node in nodes]

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the loop, without waiting for it: `start(trap.release())`."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def tell(self, change: Callable[[], None]) -> None:
        """Change a link's health: `tell(link.cut)`."""
        self.ask(change)

    def ask(self, question: Callable[[], T]) -> T:
        """Ask a link: `ask(link.clients)`."""

        async def make() -> T:
            return question()

        answer: T = self._call(make())
        return answer

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)
