"""A request's body: read with its limits while it arrives, inflate it, or throw it away.

Owns no policy beyond size and form; what the bytes say is `batch`'s and schemas' to tell. Invariant: no more than the
limit and one chunk is ever held, however far a body would inflate.
"""

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from enum import Enum
from typing import Any, Final

from ingest import answers
from ingest.answers import Refusal

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# A refused request is read to its end before the answer, as most clients look for one only then and take a closed
# connection for a fault worth repeating. RudderStack's SDK sends up to 4 MB; past this the connection is cut.
DISCARD_LIMIT_BYTES: Final = 8 * 1024 * 1024

_GZIP_WINDOW: Final = 31  # zlib's word for "gzip, any window"
_GZIP_MEMBERS: Final = 100  # a new inflater each: 20 bytes of input must not buy more work than this


class Gone(Enum):
    """The client left before its request was complete: there is no one to answer."""

    GONE = "gone"


class Incoming:
    """The body of one request as it arrives. `complete`: its last byte was received."""

    def __init__(self, receive: Receive, *, expects_continue: bool) -> None:
        self._receive = receive
        self._untouched_and_awaited = expects_continue
        self.complete = False
        self.gone = False
        self.wire_bytes = 0

    async def chunk(self) -> bytes:
        """Return what has arrived, possibly nothing; afterwards `complete` or `gone` may be true."""
        self._untouched_and_awaited = False
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.gone = True
            return b""
        data: bytes = message.get("body", b"")
        self.complete = not message.get("more_body", False)
        self.wire_bytes += len(data)
        return data

    async def discard(self) -> None:
        """Read on to the end of the body, if that is near; else `complete` stays false and the connection must close.

        A client that waits for "100 Continue" must not be told to send what no one wants.
        """
        if self._untouched_and_awaited:
            return
        budget = DISCARD_LIMIT_BYTES
        while budget > 0 and not self.complete and not self.gone:
            budget -= len(await self.chunk())


class Plain:
    """Takes a body as it is. The counterpart of `Gzip`."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes

    def feed(self, data: bytes) -> bytes | Refusal:
        """Return the bytes that a chunk stands for, or why the body is refused."""
        self._left -= len(data)
        return answers.REQUEST_TOO_LARGE if self._left < 0 else data

    def fault(self) -> Refusal | None:
        """Return what is wrong with a body that ends here."""
        return None


class Gzip:
    """Inflates a body while it arrives: one member or several, and nothing else after them."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes
        self._wire_left = limit_bytes + limit_bytes // 64 + 64  # what gzip adds to bytes it cannot compress
        self._members = 0
        self._inflater = zlib.decompressobj(_GZIP_WINDOW)

    def feed(self, data: bytes) -> bytes | Refusal:
        """Return the bytes that a chunk stands for, or why the body is refused."""
        self._wire_left -= len(data)
        if self._wire_left < 0:
            return answers.REQUEST_TOO_LARGE
        parts: list[bytes] = []
        while data:
            if self._inflater.eof:
                self._members += 1
                self._inflater = zlib.decompressobj(_GZIP_WINDOW)
            if self._members >= _GZIP_MEMBERS:
                return answers.MALFORMED_ENCODING
            try:
                # One byte more than may come: a bomb shows itself by it, and no more of it is inflated.
                part = self._inflater.decompress(data, self._left + 1)
            except zlib.error:
                return answers.MALFORMED_ENCODING
            self._left -= len(part)
            if self._left < 0:
                return answers.REQUEST_TOO_LARGE
            parts.append(part)
            data = self._inflater.unused_data
        return b"".join(parts)

    def fault(self) -> Refusal | None:
        """Return what is wrong with a body that ends here: it is cut short."""
        return None if self._inflater.eof else answers.MALFORMED_ENCODING


DECODERS: Final[dict[bytes, type[Plain | Gzip]]] = {b"": Plain, b"identity": Plain, b"gzip": Gzip}


async def read(incoming: Incoming, decoder: Plain | Gzip, hold: Callable[[int], bool]) -> bytes | Refusal | Gone:
    """Return a whole body, decoded.

    Args:
        incoming: the body as it arrives.
        decoder: one of `DECODERS`, made with the limit in bytes.
        hold: is told of the bytes kept as they come; false when the process has no room for them.
    """
    parts: list[bytes] = []
    while not incoming.complete:
        data = await incoming.chunk()
        if incoming.gone:
            return Gone.GONE
        part = decoder.feed(data)
        if isinstance(part, Refusal):
            return part
        if not hold(len(part)):
            return answers.OVERLOADED
        parts.append(part)
    return decoder.fault() or (parts[0] if len(parts) == 1 else b"".join(parts))
