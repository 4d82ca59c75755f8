"""One connection between a client and a Kafka node, carried frame by frame, so that traps can take single requests."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from tests.faults import frames
from tests.faults.frames import Address, Request
from tests.faults.traps import Act, Trap, Traps


class End(NamedTuple):
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


Pass = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""Passes bytes on to one end, when and as fast as the link lets them."""


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a middlebox does that forgot it: by a reset, not in order."""
    own = writer.get_extra_info("socket")
    if own is not None and own.fileno() >= 0:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Conversation:
    """Requests one way, answers the other. `requests` and `answers` run side by side until one of them ends."""

    def __init__(self, client: End, server: End, node: Address, traps: Traps, ways: tuple[Pass, Pass]) -> None:
        """Take both ends; `node` is where the server is. `ways` are those of requests and of answers."""
        self._client, self._server, self._node = client, server, node
        self._traps, (self._out, self._back) = traps, ways
        self._apis: dict[int, int] = {}  # of the requests under way, by correlation id

    async def answers(self, ports: Mapping[Address, int]) -> None:
        """Carry answers; nodes that they name are to be found at other ports."""
        with suppress(OSError):
            while answer := await frames.read(self._server.reader):
                api = self._apis.pop(frames.correlation(answer), -1)
                await self._back(frames.moved(api, answer, ports), self._client.writer)

    async def requests(self) -> None:
        """Carry requests, unless one falls into a trap."""
        with suppress(OSError):
            while (request := await self._next()) is not None:
                trap = self._traps.taking(request)
                if trap is None:
                    await self._forward(request)
                else:
                    await self._spring(trap, request)

    async def _next(self) -> Request | None:
        frame = await frames.read(self._client.reader)
        if not frame:
            return None
        request = frames.parse(frame)
        self._apis[request.correlation] = request.api
        for trap in self._traps.due(request):
            await trap.release()
        return request

    async def _forward(self, request: Request) -> None:
        await self._out(request.frame, self._server.writer)

    async def _spring(self, trap: Trap, request: Request) -> None:
        trap.catch(request, self._node)
        match trap.act:
            case Act.RESET:
                reset(self._client.writer)
            case Act.HOLD:
                await asyncio.Event().wait()  # until the client gives this connection up
            case Act.DELAY:
                await trap.released.wait()
                await self._forward(request)
            case Act.REPEAT:
                await self._forward(request)
            case Act.REORDER:
                if (overtaking := await self._next()) is not None:
                    await self._forward(overtaking)
                await self._forward(request)
