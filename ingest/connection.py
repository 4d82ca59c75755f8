"""HTTP/1.1 on one connection, parsed by httptools: requests in, answers out, in order.

Owns framing, order, and the clocks of a connection: one that says nothing, says it too slowly or does not listen is
closed. Requests that come at once are begun at once, in order, and answered in that order. Nothing here waits: what is
late is found by `Connections.tick`. Invariant: requests that came whole are answered, whatever follows them.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

import httptools
import structlog

from ingest import answers, head
from ingest.answers import Answer, Header, Refusal
from ingest.exchange import Head
from ingest.turn import Turn

if TYPE_CHECKING:
    from ingest.connections import Connections

log = structlog.get_logger()

REQUEST_SECONDS: Final = 4.0  # for a request to arrive, of the five that are promised
KEEP_ALIVE_SECONDS: Final = 75.0  # since the last request began; longer than load balancers' 60: they close first
UNREAD_SECONDS: Final = 10.0  # for a client to take its answers
HEAD_LIMIT_BYTES: Final = 32 * 1024
MOST_TURNS: Final = 100  # requests begun and not answered; further ones are not read

_NEVER: Final = float("inf")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Malformed(Exception):
    """What a callback raises to end the parsing."""


_MALFORMED: Final = (_Malformed, httptools.HttpParserInvalidURLError)


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, connections: "Connections") -> None:
        self._connections, self._app, self._loop = connections, connections.app, connections.loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._turns: deque[Turn] = deque()  # requests begun and not yet answered
        self._turn: Turn  # the latest
        self._target, self._lines, self._began = b"", list[Header](), self._loop.time()
        self._in_head = self._in_body = False
        self._head_bytes = 0  # since the last head, byte of a body, or end of a request
        self._piece_bytes = self._last_piece_bytes = 0  # of what came now, and with the end of the last request
        self._due, self._unread_due = _NEVER, _NEVER  # when the client must have sent more, and taken its answers
        self._reading = True
        self._ended = False  # nothing more is read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a connection in, if there is room. It has to say something before the keep-alive time is over."""
        self._transport = transport  # type: ignore[assignment]  # asyncio has one type for all kinds
        self._connections.open.add(self)
        self._go_on()
        if len(self._connections) > self._connections.most:
            self._break(answers.OVERLOADED)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection. Requests that were read go on: their events are not lost with their client."""
        self._connections.open.discard(self)
        self._ended = True
        if self._in_body:
            self._turn.leave()
        self._turns.clear()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._ended:
            return
        self._piece_bytes = len(data)
        self._head_bytes += self._piece_bytes
        while data and not self._ended:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade() + data[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                self._break(_why(error))
            else:
                data = b""
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self._break(answers.MALFORMED_REQUEST)
        self._go_on()

    def eof_received(self) -> bool:
        """Stay open for the answers to what a client sent before it ended its half of the connection."""
        if self._in_head or self._in_body or not self._turns:
            return False
        self._turn.last = True
        return True

    def pause_writing(self) -> None:
        """Give a client that takes no answers a while, and read nothing from it."""
        self._unread_due = self._loop.time() + UNREAD_SECONDS
        self._go_on()

    def resume_writing(self) -> None:
        """Go on with a client that takes its answers after all."""
        self._unread_due = _NEVER
        self._go_on()

    def on_message_begin(self) -> None:
        """Note when a request began."""
        if self._turns and self._turns[-1].last:
            raise _Malformed
        self._target, self._lines, self._began = b"", [], self._loop.time()
        self._in_head = True

    def on_url(self, target: bytes) -> None:
        """Take a part of the target."""
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head, or of the trailers."""
        self._lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Begin a request."""
        parser, lines, target = self._parser, self._lines, self._target
        if parser.should_upgrade():
            return
        version, headers = parser.get_http_version(), dict(lines)
        # A head is measured only if it may be too long: that costs more than all the rest.
        most = self._head_bytes + self._last_piece_bytes
        if most > HEAD_LIMIT_BYTES and head.size(target, lines) > HEAD_LIMIT_BYTES:
            raise _Malformed
        if not head.is_clear(version, lines, headers):
            raise _Malformed
        begun = Head(parser.get_method(), head.path_of(target), headers, self._began)
        self._lines = []  # what comes behind the body is none of the request's
        self._in_head, self._in_body, self._head_bytes = False, True, 0
        turn = self._turn = Turn(self.flush, self._began)
        turn.last = self._connections.leaving or version != "1.1" or not parser.should_keep_alive()
        turn.without_body = begun.method == b"HEAD"
        turn.awaits_word = version == "1.1" and headers.get(b"expect", b"").lower() == b"100-continue"
        self._turns.append(turn)
        turn.begin(self._app, begun)

    def on_body(self, data: bytes) -> None:
        """Take a part of a body."""
        self._head_bytes = 0
        if not self._turn.feed(data):
            self._break(answers.REQUEST_TOO_LARGE)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._parser.should_upgrade():
            return
        if self._lines and head.size(b"", self._lines) > HEAD_LIMIT_BYTES:
            raise _Malformed
        self._in_body = False
        self._head_bytes, self._last_piece_bytes = 0, self._piece_bytes
        self._turn.end()

    def flush(self) -> None:
        """Send the answers whose turn it is."""
        turns = self._turns
        while turns and turns[0].is_whole and (answer := turns[0].answer) is not None:
            self._send(answer, turns.popleft())
        if not turns and not self._in_head:
            self._head_bytes = 0  # line breaks, at most
        self._go_on()

    def look(self, now: float) -> None:
        """End what is late."""
        if now >= self._unread_due:
            self._transport.abort()
        elif now >= self._due and (self._in_head or self._in_body or self._head_bytes):
            self._break(answers.TOO_SLOW)
        elif now >= self._due:
            self._transport.close()

    def shutdown(self) -> None:
        """Answer what was begun, then close."""
        if self._in_head:
            return
        if self._turns:
            self._turns[-1].last = True
        else:
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection off."""
        self._transport.abort()

    def _send(self, answer: Answer, turn: Turn) -> None:
        transport, shared = self._transport, self._connections
        if transport.is_closing():
            return
        self._app.answered(answer, self._loop.time() - turn.began, turn.received)
        end = shared.end_of_last_head if turn.last else shared.end_of_head
        transport.write(answer.head + end + (b"" if turn.without_body else answer.body))
        if turn.last:
            self._ended = True
            self._turns.clear()
            transport.close()

    def _go_on(self) -> None:
        """Decide whether anything is read next, and by when."""
        if self._ended:
            return
        turns = self._turns
        if self._in_body and self._turn.awaits_word and self._turn is turns[0]:
            self._give_word(self._turn)
        reading = self._unread_due == _NEVER and len(turns) < MOST_TURNS
        if reading is not self._reading:
            self._reading = reading
            (self._transport.resume_reading if reading else self._transport.pause_reading)()
        if self._in_head or self._in_body:
            self._due = self._began + REQUEST_SECONDS if reading else _NEVER
        elif turns:
            self._due = _NEVER
        elif self._head_bytes:
            self._due = min(self._due, self._loop.time() + REQUEST_SECONDS)
        else:
            self._due = self._began + KEEP_ALIVE_SECONDS

    def _give_word(self, turn: Turn) -> None:
        """Let a client that asked send its body, or tell it at once that no one wants it."""
        turn.awaits_word = False
        if turn.answer is not None:
            self._break(answers.REQUEST_TOO_LARGE)
        elif not turn.received:
            self._transport.write(_CONTINUE)

    def _break(self, why: Refusal) -> None:
        """Read no more. Whole requests are answered first, then the one in pieces gets this answer, or its own."""
        if self._ended:
            return
        self._ended, self._due = True, _NEVER
        if self._in_body:
            turn, self._in_body = self._turn, False
        else:
            turn = Turn(self.flush, self._began if self._in_head else self._loop.time())
            self._turns.append(turn)
        turn.last = True
        turn.cut(answers.refused(why))

    def _without_upgrade(self) -> bytes:
        """Return the head of a request that offers another protocol, the offer left out.

        Java's HttpClient offers HTTP/2 with every first request. The parser takes what follows such a head for the
        other protocol; in truth it is the body, for an offer may be declined.
        """
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        if method == b"CONNECT":
            self._break(answers.MALFORMED_REQUEST)
            return b""
        self._parser = httptools.HttpRequestParser(self)
        kept = (line for line in self._lines if line[0] not in {b"upgrade", b"connection", b"http2-settings"})
        lines = (b"%s: %s\r\n" % line for line in kept)
        return b"".join((method, b" ", self._target, b" HTTP/", version, b"\r\n", *lines, b"\r\n"))


def _why(error: httptools.HttpParserError) -> Refusal:
    cause = error.__context__
    if not isinstance(error, httptools.HttpParserCallbackError) or isinstance(cause, _MALFORMED):
        return answers.MALFORMED_REQUEST
    log.error("request.failed", exc_info=cause)
    return answers.INTERNAL_ERROR
