"""One connection: requests in, responses out in order.

Owns the order; `framing` interprets the bytes, `deadlines` times out clients that hold a connection without using it.
Of pipelined requests, one is started in each iteration of the loop, so that a pipeline gets no more time than separate
connections would; none is started while responses pile up: the rest stays unread. Nothing here waits:
`Connections.tick` finds what is late. Invariant: requests that arrived complete are answered, whatever follows them.
"""

import asyncio
from collections import deque
from typing import Final

from ingest.http import response
from ingest.http.broken import Broken
from ingest.http.connections import Connections
from ingest.http.deadlines import Deadlines
from ingest.http.exchange import Head
from ingest.http.framing import Framing
from ingest.http.response import Refusal, Response
from ingest.http.turn import Turn

MOST_TURNS: Final = 100  # requests in progress; further ones are not read
COPIED_BYTES: Final = 16 * 1024  # a longer body is sent as it is, not copied behind its head

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, connections: Connections) -> None:
        self._connections, self._app, self._loop = connections, connections.app, connections.loop
        self._framing = Framing(self, connections.heads)
        self._transport: asyncio.Transport
        self._turns: deque[Turn] = deque()  # requests begun and not yet answered; a body in pieces is the last one's
        self._began = self._loop.time()  # the latest of them
        self._deadlines = Deadlines(connections.patience)
        self._is_reading, self._is_paused = True, False  # from the client, writing to it
        self._is_in_step = self._is_called = False  # `_read` is running, will be run by the loop
        self._ended = False  # no further request is begun
        self._followed = False  # the client may be sending what is not read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection, if there is capacity. It must send something within the keep-alive time."""
        self._transport = transport  # type: ignore[assignment]  # asyncio has one type for all kinds
        self._go_on()
        if not self._connections.admit(self):
            self._break(response.OVERLOADED)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the connection. Requests that were read continue: their events are not lost with their client."""
        self._connections.forget(self)
        self._ended = True
        if self._framing.in_body:
            self._turns[-1].leave()
        self._turns.clear()
        self._framing.close()

    def data_received(self, data: bytes) -> None:
        """Read what came, up to the end of a request; of no bytes: what came before."""
        if self._ended:
            self._discard(len(data))
            return
        framing, turns = self._framing, self._turns
        if not (framing.in_head or framing.in_body):
            self._began = self._loop.time()
        self._is_in_step = True
        try:
            framing.read(data)
        except Broken as broken:
            self._break(broken.why)
        self._is_in_step = False
        if turns and turns[-1].last and not framing.in_body and not self._ended:
            self._end_reading()
        self._go_on()

    def eof_received(self) -> bool:
        """Stay open for the responses to what a client sent before it half-closed the connection."""
        turns = self._turns
        if not self._ended:
            if self._framing.in_body:
                turns.pop().leave()
            if turns:
                turns[-1].last = True
            self._end_reading()
        self._followed = False
        return bool(turns)

    def pause_writing(self) -> None:
        """Begin no further request for a client that does not read its responses."""
        self._is_paused = True
        self._go_on()

    def resume_writing(self) -> None:
        """Resume for a client that reads its responses again."""
        self._is_paused = False
        self._go_on()

    def begin(self, head: Head, last: bool, awaits_word: bool) -> Turn:  # noqa: FBT001  as the port says
        """Begin a request."""
        self._deadlines.begin_body()
        turn = Turn(self.flush, self._began, last or self._connections.leaving, awaits_word, head.method == b"HEAD")
        self._turns.append(turn)
        turn.begin(self._app, head)
        return turn

    def flush(self) -> None:
        """Send the responses that are next in order."""
        turns = self._turns
        while turns and turns[0].is_whole and (answer := turns[0].answer) is not None:
            self._send(answer, turns.popleft())
        if not turns and not self._framing.in_head:
            self._framing.head_bytes = 0  # line breaks, at most
        self._go_on()

    def check_deadlines(self, now: float) -> None:
        """Close connections and fail requests whose deadline has passed."""
        if self._deadlines.are_answers_stuck(now, self._transport.get_write_buffer_size()):
            self._transport.abort()
        if not self._deadlines.is_past(now):
            return
        framing = self._framing
        if not self._ended and (framing.in_head or framing.in_body or framing.head_bytes):
            self._break(response.TOO_SLOW)
        else:
            self._close()

    def idle_since(self) -> float | None:
        """Return when the last request began, on the loop's clock; None: one is being read or answered."""
        framing = self._framing
        busy = self._ended or self._turns or framing.is_amid or framing.head_bytes
        return None if busy else self._began

    def shutdown(self) -> None:
        """Finish the requests in progress, then close."""
        if self._ended or self._framing.in_head:
            return
        if not self._turns:
            self._close()
        else:
            self._turns[-1].last = True
            if not self._framing.in_body:
                self._end_reading()

    def abort(self) -> None:
        """Cut the connection off."""
        self._transport.abort()

    def _read_on(self) -> None:
        """Read the next of the requests that came at once, unless one of those before it stands in its way."""
        self._is_called = False
        if self._framing.more and self._may_begin():
            self.data_received(b"")

    def _may_begin(self) -> bool:
        return not self._is_paused and len(self._turns) < MOST_TURNS

    def _go_on(self) -> None:
        """Decide whether anything is read next, and by when it must come."""
        if self._ended or self._is_in_step:
            return
        framing, deadlines = self._framing, self._deadlines
        is_reading = self._may_begin()
        if framing.more:
            if is_reading and not self._is_called:
                self._is_called = True
                self._loop.call_soon(self._read_on)
            is_reading = False
        if is_reading is not self._is_reading:
            self._set_reading(is_reading)
        if is_reading and framing.in_body:
            turn = self._turns[-1]
            deadlines.await_body(self._loop.time(), turn.received)
            if turn.awaits_word and turn is self._turns[0]:
                self._give_word(turn)
        elif is_reading and framing.in_head:
            deadlines.await_head(self._began)
        elif self._turns or not is_reading:
            deadlines.clear()
        elif framing.head_bytes:
            deadlines.await_first_line(self._loop.time())
        else:
            deadlines.await_request(self._began)

    def _set_reading(self, is_reading: bool) -> None:  # noqa: FBT001
        self._is_reading = is_reading
        (self._transport.resume_reading if is_reading else self._transport.pause_reading)()

    def _give_word(self, turn: Turn) -> None:
        """Let a client that sent `Expect` send its body, or refuse the body at once."""
        turn.awaits_word = False
        if turn.answer is not None:
            self._break(response.REQUEST_TOO_LARGE)
        elif not turn.received:
            self._transport.write(_CONTINUE)

    def _send(self, answer: Response, turn: Turn) -> None:
        transport, shared = self._transport, self._connections
        if transport.is_closing():
            return
        self._app.answered(answer, self._loop.time() - turn.began, turn.received)
        if shared.leaving and not (self._turns or self._framing.is_amid):
            turn.last = True  # it was begun before that was known
        head = answer.head + (shared.end_of_last_head if turn.last else shared.end_of_head)
        body = b"" if turn.without_body else answer.body
        if len(body) > COPIED_BYTES:
            transport.writelines((head, body))
        else:
            transport.write(head + body)
        self._deadlines.sent += len(head) + len(body)
        if turn.last:
            self._finish()

    def _break(self, why: Refusal) -> None:
        """Read no more. Whole requests are answered first, then the one in pieces gets this answer, or its own."""
        if self._ended:
            return
        if self._framing.in_body:
            turn = self._turns[-1]
        else:
            turn = Turn(self.flush, self._began if self._framing.in_head else self._loop.time())
            self._turns.append(turn)
        self._end_reading()
        self._followed = turn.last = True
        turn.cut(response.refused(why))

    def _end_reading(self) -> None:
        """Begin no further request."""
        self._ended = True
        self._deadlines.clear()
        self._followed = self._framing.stop()

    def _finish(self) -> None:
        """Close in stages (RFC 9112, section 9.6): a client that is still sending would lose its answer to a reset."""
        self._turns.clear()
        if not self._ended:
            self._end_reading()
        if not self._followed or len(self._connections) > self._connections.most:
            self._close()
            return
        self._deadlines.await_end(self._loop.time())
        self._transport.write_eof()
        self._set_reading(True)

    def _discard(self, size: int) -> None:
        """Discard what a client sends after its last response, within bounds; until it is sent, leave it unread."""
        if self._turns:
            self._followed = True
            self._set_reading(False)
        elif not self._deadlines.discard(self._loop.time(), size):
            self._close()

    def _close(self) -> None:
        self._ended = True
        self._deadlines.clear()
        self._transport.close()
