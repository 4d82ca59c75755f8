"""A keep-alive HTTP/1.1 connection with one request in flight at a time.

asyncio provides the socket and TLS, httptools (which the server needs anyway) the parser: with a client library,
sending a request costs several times as much as answering it. It neither follows redirects nor retries.
"""

import asyncio
import contextlib
from ssl import SSLContext, create_default_context
from typing import NamedTuple, Self, cast

import httptools


class Answer(NamedTuple):
    """A response: its status, Retry-After in seconds (None: absent), and its body."""

    status: int
    retry_after_s: float | None
    body: bytes


class Connection(asyncio.Protocol):
    """A connection to a server. Once `is_open` is false, open a new one."""

    @classmethod
    async def open(cls, host: str, port: int, *, tls: bool) -> Self:
        """Open a connection.

        Raises:
            OSError: the server cannot be reached, or its certificate is not trusted.
        """
        context: SSLContext | None = create_default_context() if tls else None
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port, ssl=context)
        return connection

    def __init__(self) -> None:
        self.is_open = False
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._retry_after: float | None = None
        self._body: list[bytes] = []

    async def ask(self, request: bytes, timeout_s: float) -> Answer:
        """Send a complete request and return its response.

        Raises:
            OSError: the connection was lost, or the response is not HTTP.
            TimeoutError: no complete response arrived in time.
        """
        if self._transport is None or not self.is_open:
            raise ConnectionResetError("the connection is closed")
        self._retry_after, self._body = None, []
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._waiter
        except BaseException:
            self.close()  # a response still in transit would be mistaken for the next one
            raise

    def close(self) -> None:
        """Close the connection."""
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Callback of asyncio: the connection is open."""
        self._transport, self.is_open = cast("asyncio.Transport", transport), True

    def connection_lost(self, error: Exception | None) -> None:
        """Callback of asyncio: the connection is closed."""
        self.is_open = False
        self._fail(error or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Callback of asyncio: data arrived."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"the answer is not HTTP: {error}"))
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Callback of httptools: a header. Retry-After is understood in seconds, which is what ingest sends."""
        if name.lower() == b"retry-after":
            with contextlib.suppress(ValueError):
                self._retry_after = float(value)

    def on_body(self, part: bytes) -> None:
        """Callback of httptools: a part of the body."""
        self._body.append(part)

    def on_message_complete(self) -> None:
        """Callback of httptools: the response is complete."""
        if not self._parser.should_keep_alive():
            self.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(Answer(self._parser.get_status_code(), self._retry_after, b"".join(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error if isinstance(error, OSError) else ConnectionResetError(str(error)))
