"""Traps for single requests: the next one of an API is held up, cut off, repeated or overtaken; the others pass.

What is caught is delivered when the trap is released, by hand or just before a later request, on a connection of its
own: that is what a request is like that a middlebox or a receive buffer has kept.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum

from tests.faults import frames
from tests.faults.frames import Address, Api, Request


class Act(StrEnum):
    """What is done to the request that is caught."""

    RESET = "reset"  # its connection is reset before it arrives; it arrives when released
    HOLD = "hold"  # nothing more passes on its connection, silently; it arrives when released
    DELAY = "delay"  # it and what follows on its connection wait until released, then go on
    REPEAT = "repeat"  # it passes, and arrives once more when released
    REORDER = "reorder"  # the next request of its connection overtakes it


class Trap:
    """Catches one request. Events may be waited for by any thread; everything else belongs to the proxy's loop."""

    def __init__(
        self, api: Api, act: Act, before: Api | None = None, passing: int = 0, after_s: float | None = None
    ) -> None:
        """Make a trap.

        Args:
            api: whose next request is caught.
            act: what is done to it.
            before: releases it just before a later request of this API.
            passing: how many of those are let pass first.
            after_s: releases it so many seconds after it was caught.
        """
        self.api, self.act = api, act
        self.caught, self.delivered = threading.Event(), threading.Event()
        self.answer = b""  # to what was delivered late
        self.released = asyncio.Event()
        self._before, self._passing, self._after_s = before, passing, after_s
        self._timed: asyncio.Task[None] | None = None
        self._server: Address | None = None
        self._frame = b""

    def catch(self, request: Request, server: Address) -> None:
        """Note what was caught, and where it was going."""
        self._frame, self._server = request.frame, server
        self.caught.set()
        if self._after_s is not None:
            self._timed = asyncio.ensure_future(self._release_after(self._after_s))

    def is_due(self, request: Request) -> bool:
        """Whether what was caught is to arrive just before this request."""
        if not self.caught.is_set() or self.released.is_set() or request.api != self._before:
            return False
        self._passing -= 1
        return self._passing < 0

    async def release(self) -> None:
        """Deliver what was caught, unless it only waits."""
        if self.released.is_set():
            return
        self.released.set()
        if self._server is not None and self.act in {Act.RESET, Act.HOLD, Act.REPEAT}:
            with suppress(OSError):
                await self._deliver(self._server)

    async def _release_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.release()

    async def _deliver(self, server: Address) -> None:
        reader, writer = await asyncio.open_connection(*server)
        try:
            writer.write(self._frame)
            self.answer = await frames.read(reader)
            self.delivered.set()
        finally:
            writer.close()


class Traps:
    """The traps of all roads to one cluster."""

    def __init__(self) -> None:
        self._set: list[Trap] = []

    def set(self, trap: Trap) -> None:
        """Set a trap."""
        self._set.append(trap)

    async def remove(self, trap: Trap) -> None:
        """Remove a trap; what it caught arrives, or goes on."""
        self._set.remove(trap)
        await trap.release()

    def clear(self) -> None:
        """Remove all traps; what only waits goes on."""
        for trap in self._set:
            trap.released.set()
        self._set.clear()

    def due(self, request: Request) -> Iterator[Trap]:
        """Yield the traps whose catch is to arrive just before a request."""
        return (trap for trap in list(self._set) if trap.is_due(request))

    def taking(self, request: Request) -> Trap | None:
        """Return the trap that a request falls into."""
        return next((trap for trap in self._set if trap.api == request.api and not trap.caught.is_set()), None)
