"""HTTP/1.1 on one connection: uvicorn's protocol on httptools, with the answers and clocks that the contract wants.

uvicorn answers what is not HTTP in plain text and lets a head take for ever; here every answer is JSON, and a
connection that says nothing, says it too slowly or does not listen is closed. Invariant: requests that came whole are
answered, in order, whatever follows them on the connection.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import httptools
from uvicorn._types import ASGISendEvent, HTTPResponseStartEvent
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from ingest import answers, head
from ingest.answers import Header, Refusal

HEAD_SECONDS: Final = 4.0  # as long as a head and a body have together, see `app`
HEAD_LIMIT_BYTES: Final = 32 * 1024
UNREAD_SECONDS: Final = 10.0  # for a client to take its answers


class _Malformed(Exception):
    """What a callback raises to end the parsing."""


class Connection(HttpToolsProtocol):
    """One connection.

    Args:
        config: uvicorn's.
        state: of the server; knows all connections.
        loop: the running one.
        most: connections at a time; further ones are refused.
        refused: is told of refusals that the application never sees.
    """

    def __init__(
        self,
        config: Config,
        state: ServerState,
        loop: asyncio.AbstractEventLoop,
        most: int,
        refused: Callable[[Refusal], None],
    ) -> None:
        super().__init__(config, state, {}, loop)
        self._most, self._refused = most, refused
        self._unanswered = 0  # requests handed on
        self._in_head = self._in_body = False
        self._head_bytes = 0  # since the last head, byte of a body, or end of a request
        self._piece_bytes = self._last_piece_bytes = 0  # of what came now, and with the end of the last request
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._broken: Refusal | None = None  # why nothing more is read
        self._leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a connection in, if there is room. It has to say something before the keep-alive time is over."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if len(self.connections) > self._most:
            self._break(answers.OVERLOADED)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection. Requests that were read go on: their events are not lost with their client."""
        self._unset_keepalive_if_required()
        self._unset_head_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and see that a head is short and complete soon."""
        if self._broken:
            return
        self._unset_keepalive_if_required()
        self._piece_bytes = len(data)
        self._head_bytes += self._piece_bytes
        while data and not self._broken:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade() + data[upgrade.args[0] :]
            except httptools.HttpParserError:
                self._break(answers.MALFORMED_REQUEST)
            else:
                data = b""
                self._watch_head()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Stay open for the answers to what a client sent before it ended its half of the connection."""
        if self._in_head or self._in_body or not self._unanswered:
            return False
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """Note when a request began."""
        super().on_message_begin()
        self._in_head = True
        self.scope["state"]["began"] = self.loop.time()

    def on_headers_complete(self) -> None:
        """Hand a request on; its body is the application's to time and to measure."""
        if self.parser.should_upgrade():
            return
        target = httptools.parse_url(self.url)  # before anything is begun, as it may raise
        version = self.parser.get_http_version()
        # A head is measured only if it may be too long: that costs more than all the rest.
        most = self._head_bytes + self._last_piece_bytes
        if most > HEAD_LIMIT_BYTES and head.size(self.url, self.headers) > HEAD_LIMIT_BYTES:
            raise _Malformed
        if not head.is_clear(version, self.headers):
            raise _Malformed
        self._unset_head_timer()
        self._in_head, self._in_body, self._head_bytes = False, True, 0
        path = target.path or b"/"
        self.scope["method"] = self.parser.get_method().decode("ascii")
        self.scope["raw_path"], self.scope["path"] = path, path.decode("latin-1")
        self.scope["query_string"] = target.query or b""
        previous: RequestResponseCycle | None = self.cycle
        self.cycle = self._exchange(keep_alive=version == "1.1" and self.parser.should_keep_alive())
        self.headers = []  # what comes behind the body is none of the request's
        self._unanswered += 1
        if previous is None or previous.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._head_bytes = 0
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.body += body
            cycle.message_event.set()
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Note that a request is complete."""
        if self.parser.should_upgrade():
            return
        if self.headers and head.size(b"", self.headers) > HEAD_LIMIT_BYTES:
            raise _Malformed
        self.cycle.more_body = self._in_body = False
        self.cycle.message_event.set()
        self._head_bytes, self._last_piece_bytes = 0, self._piece_bytes

    def on_response_complete(self) -> None:
        """Go on with the next request, or end what was broken off behind the last one."""
        self._unanswered -= 1
        super().on_response_complete()
        if self._broken and not self._unanswered:
            self._end(self._broken)

    def shutdown(self) -> None:
        """Answer what was begun, then close."""
        if self._in_head:
            self._leaving = True
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """Give a client that takes no answers a while, then cut it off."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with a client that takes its answers after all."""
        super().resume_writing()
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _exchange(self, *, keep_alive: bool) -> "_Exchange":
        return _Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive and not self._leaving,
            on_response=self.on_response_complete,
        )

    def _without_upgrade(self) -> bytes:
        """Return the head of a request that offers another protocol, the offer left out.

        Java's HttpClient offers HTTP/2 with every first request. The parser takes what follows such a head for the
        other protocol; in truth it is the body, for an offer may be declined.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self._break(answers.MALFORMED_REQUEST)
            return b""
        self.parser = httptools.HttpRequestParser(self)
        kept = (header for header in self.headers if header[0] not in {b"upgrade", b"connection", b"http2-settings"})
        lines = (b"%s: %s\r\n" % header for header in kept)
        return b"".join((method, b" ", self.url, b" HTTP/", version, b"\r\n", *lines, b"\r\n"))

    def _watch_head(self) -> None:
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self._break(answers.MALFORMED_REQUEST)
        elif self._in_body or (self._unanswered and not self._in_head):
            return
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._break, answers.TOO_SLOW)

    def _break(self, why: Refusal) -> None:
        """Read no more. Whole requests are answered first, then the one in pieces gets this answer."""
        self._broken = why
        self._unset_head_timer()
        if self._in_body:
            self._unanswered -= 1
            if self.pipeline and self.pipeline[0][0] is self.cycle:
                self.pipeline.popleft()  # the application has not seen it yet
            else:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
        if not self._unanswered:
            self._end(why)

    def _end(self, why: Refusal) -> None:
        if self.transport.is_closing():
            return
        self._refused(why)
        answer = answers.refused(why)
        self.transport.write(
            _message(answer.status, (*self.server_state.default_headers, *answer.headers, answers.CLOSE), answer.body)
        )
        self.transport.close()

    def _unset_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _Exchange(RequestResponseCycle):
    """One request and its answer, which is written in one piece: in two it would cost two system calls and packets."""

    _start: HTTPResponseStartEvent

    async def send(self, message: ASGISendEvent) -> None:
        """Take an answer's head, then its whole body."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected or message["type"] != "http.response.body":
            return
        headers = [*self.default_headers, *self._start["headers"]]
        if answers.CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers.append(answers.CLOSE)
        body = b"" if self.scope["method"] == "HEAD" else message["body"]
        self.transport.write(_message(self._start["status"], headers, body))
        self.response_started = self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _message(status: int, headers: Iterable[Header], body: bytes) -> bytes:
    lines = [b"%s: %s\r\n" % header for header in headers]
    return b"".join((STATUS_LINE[status], *lines, b"\r\n", body))
