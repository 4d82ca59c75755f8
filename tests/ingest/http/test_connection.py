"""One connection without a network: what it keeps in memory, how much it begins at once, whom it waits for.

The transport and the clock are fakes, so that nothing here depends on speed; real sockets are `test_wire`'s and
`test_closing`'s.
"""

import asyncio
import gc
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from ingest import answers, openapi
from ingest.app import App
from ingest.http.connection import MOST_TURNS, Connection
from ingest.http.connections import Connections
from ingest.http.deadlines import (
    LINGER_BYTES,
    LINGER_SECONDS,
    REQUEST_SECONDS,
    SILENCE_SECONDS,
    UNREAD_SECONDS,
    Patience,
)
from ingest.http.exchange import Head, Receiver, Reply
from ingest.http.response import Response
from ingest.metrics import Metrics
from ingest.resources import Rules
from tests.ingest.fake_server import WORKSPACES
from tests.ingest.fakes import FakeDelivery
from tests.ingest.wire import event, post, request

RATE = 1000
GET = request(b"GET", b"/openapi.json", b"")
WHOLE = post(event())


class Clock:
    """A loop whose time stands still, and whose next iteration comes when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.called: deque[Callable[[], object]] = deque()

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[[], object]) -> None:
        self.called.append(callback)

    def turn(self) -> None:
        """Run what is due, as one iteration of the loop does."""
        for _ in range(len(self.called)):
            self.called.popleft()()


class Transport:
    """Remembers what was written, and says how much of it is unsent."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.unsent = 0
        self.is_reading, self.eof, self.closed, self.aborted = True, False, False, False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writelines(self, parts: tuple[bytes, ...]) -> None:
        self.written.extend(parts)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def write_eof(self) -> None:
        self.eof = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


class Asked:
    """An application that answers when a test says so, or at once."""

    def __init__(self, at_once: Response | None = None) -> None:
        self.at_once, self.begun = at_once, 0
        self.replies: deque[Reply] = deque()
        self.parts: list[bytes] = []
        self.left = 0

    def begin(self, head: Head, reply: Reply) -> Receiver | None:
        self.begun += 1
        if self.at_once is not None:
            reply(self.at_once)
            return None
        self.replies.append(reply)
        return self

    def answered(self, answer: Response, seconds: float, received: int) -> None:
        """Nobody counts."""

    def feed(self, data: bytes) -> None:
        self.parts.append(data)

    def end(self) -> None:
        """The test answers."""

    def leave(self) -> None:
        self.left += 1

    def cut(self, answer: Response) -> None:
        self.leave()
        self.replies.pop()(answer)


class Scene:
    """Connections of one port, on a clock of the test's own."""

    def __init__(self, app: Any, most: int = 1000, keep_alive_s: float = 60) -> None:
        self.app, self.clock = app, Clock()
        self.port = Connections(app, most, Patience(keep_alive_s, RATE))
        self.port.loop = self.clock  # type: ignore[assignment]

    def open(self) -> tuple[Connection, Transport]:
        connection, transport = Connection(self.port), Transport()
        connection.connection_made(transport)  # type: ignore[arg-type]
        return connection, transport

    def wait(self, seconds: float) -> None:
        """Let time pass, the clocks looked at four times a second."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.now += 0.25
            self.port.tick()


def scene(play: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(play())


def test_nothing_is_left_of_a_closed_connection() -> None:
    """Thousands of short connections, some left amid a request, leave no connection behind."""

    async def play() -> None:
        connections = Connections(App(FakeDelivery(), lambda: WORKSPACES, Rules(), Metrics()), 10_000)
        server = await asyncio.get_running_loop().create_server(lambda: Connection(connections), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for sent in (WHOLE, post(event(), b"Connection: close"), WHOLE[:-5], b"POST /v1", b"nonsense\r\n\r\n", GET * 3):
            for _ in range(250):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(sent)
                if sent is WHOLE:
                    await reader.readuntil(b"}")
                writer.transport.abort()
        while connections.open:  # noqa: ASYNC110  there is nothing to wait on
            await asyncio.sleep(0.01)
        server.close()

    gc.disable()  # what waits for the collector waits for long, as it seldom runs in ingest
    try:
        uvloop.run(play())
        left = _connections()
    finally:
        gc.enable()
    assert left < 1_500 / 10  # the loop may not have let go of the last transports yet
    gc.collect()
    assert _connections() == 0


def _connections() -> int:
    return len([found for found in gc.get_objects() if isinstance(found, Connection)])


def test_an_unread_pipeline_is_begun_no_further() -> None:
    """Once answers pile up, the rest of what came stays unread; it is answered when the client reads after all."""

    async def play() -> None:
        on = Scene(App(FakeDelivery(), lambda: WORKSPACES, Rules(), Metrics()))
        connection, transport = on.open()
        connection.data_received(GET * 6_500)
        connection.pause_writing()
        for _ in range(10):
            on.clock.turn()
        assert (len(transport.written), transport.is_reading) == (2, False)
        connection.resume_writing()
        for _ in range(6_500):
            on.clock.turn()
        assert (len(transport.written), transport.is_reading) == (2 * 6_500, True)

    scene(play)


def test_a_long_answer_is_not_copied() -> None:
    """Every answer with the description of the API refers to the same bytes."""

    async def play() -> None:
        rules = Rules()
        on = Scene(App(FakeDelivery(), lambda: WORKSPACES, rules, Metrics()))
        connection, transport = on.open()
        connection.data_received(GET)
        assert transport.written[1] is openapi.answer(rules.request_limit_events).body

    scene(play)


def test_one_request_is_begun_in_each_iteration() -> None:
    """A pipeline, of the admin port, too, gets no more of the loop than as many connections would."""

    async def play() -> None:
        app = Asked(answers.ACCEPTED)
        on = Scene(app)
        connection, _ = on.open()
        connection.data_received(request(b"GET", b"/metrics", b"") * 500)
        for begun in range(1, 500):
            assert app.begun == begun
            on.clock.turn()
        assert app.begun == 500

    scene(play)


def test_no_more_is_begun_than_may_be() -> None:
    """Behind a hundred requests without an answer the next one waits, in whatever pieces they came."""

    async def play() -> None:
        app = Asked()
        on = Scene(app)
        connection, transport = on.open()
        connection.data_received(WHOLE * (MOST_TURNS + 2))
        for _ in range(MOST_TURNS + 5):
            on.clock.turn()
        assert (app.begun, transport.is_reading) == (MOST_TURNS, False)
        app.replies.popleft()(answers.ACCEPTED)
        on.clock.turn()
        assert app.begun == MOST_TURNS + 1

    scene(play)


def test_tiny_chunks_are_joined() -> None:
    """What came in one piece is passed on in one, however many chunks it was in."""

    async def play() -> None:
        app = Asked()
        connection, _ = Scene(app).open()
        connection.data_received(request(b"POST", b"/v1/i", b"", b"Transfer-Encoding: chunked"))
        for _ in range(10):
            connection.data_received(b"2\r\nab\r\n" * 5_000)
        assert app.parts == [b"ab" * 5_000] * 10

    scene(play)


@pytest.mark.parametrize("every", [0.5, REQUEST_SECONDS - 0.25])
def test_a_body_that_keeps_the_rate_is_taken(every: float) -> None:
    """However long it takes, as long as enough comes in time."""

    async def play() -> None:
        app = Asked()
        on = Scene(app)
        connection, transport = on.open()
        connection.data_received(post(b"", b"Content-Length: 180000"))
        part = b"x" * int(RATE * REQUEST_SECONDS)
        for _ in range(180_000 // len(part)):
            connection.data_received(part)
            on.wait(every)
        assert (sum(map(len, app.parts)), transport.written) == (180_000, [])
        app.replies.popleft()(answers.ACCEPTED)
        assert transport.written[0].startswith(b"HTTP/1.1 200")

    scene(play)


@pytest.mark.parametrize("before", [0, 100_000], ids=["from the start", "after much"])
def test_a_body_below_the_rate_is_cut_off(before: int) -> None:
    """A client that trickles is refused, also one that was fast before: it holds room."""

    async def play() -> None:
        app = Asked()
        on = Scene(app)
        connection, transport = on.open()
        connection.data_received(post(b"x" * before, b"Content-Length: 180000"))
        for _ in range(12):
            connection.data_received(b"x" * (RATE // 4))
            on.wait(0.5)
        assert b"too_slow" in transport.written[0]
        assert app.left == 1

    scene(play)


def test_a_client_that_takes_nothing_is_cut_off() -> None:
    """Also with less unsent than would pause the writing; one that takes its answers slowly enough is not."""

    async def play() -> None:
        on = Scene(Asked(answers.ACCEPTED), keep_alive_s=10_000)
        (silent, never), (_, idle), (slow, some) = on.open(), on.open(), on.open()
        for connection, transport in ((silent, never), (slow, some)):
            connection.data_received(WHOLE * 1)
            transport.unsent = 60_000
            connection._deadlines.sent = 60_000
        for _ in range(5):
            on.wait(UNREAD_SECONDS - 1)
            some.unsent -= int(RATE * UNREAD_SECONDS)
        assert (never.aborted, some.aborted, idle.aborted) == (True, False, False)

    scene(play)


def test_one_fault_stops_no_clock() -> None:
    """A connection whose look fails is cut off; the others are still looked at."""

    async def play() -> None:
        on = Scene(Asked(), keep_alive_s=5)
        opened = [on.open() for _ in range(10)]
        opened[3][1].get_write_buffer_size = lambda: 1 // 0  # type: ignore[method-assign]
        on.wait(6)
        assert [transport.closed for _, transport in opened] == [number != 3 for number in range(10)]
        assert opened[3][1].aborted

    scene(play)


def test_idle_connections_make_room() -> None:
    """Near the limit those go that are idle the longest; nobody who is being served."""

    async def play() -> None:
        on = Scene(Asked(), most=32)
        busy, served = on.open()
        busy.data_received(WHOLE)
        old = [on.open() for _ in range(4)]
        on.clock.now += 1
        young = [on.open() for _ in range(40)]
        closed = [transport.closed for _, transport in old]
        assert (served.closed, closed) == (False, [True] * 4)
        assert not young[-1][1].written
        assert len(on.port.open) <= 32

    scene(play)


def test_nobody_idle_leaves_no_room() -> None:
    """When all are busy, one more is refused with an answer, and closed at once."""

    async def play() -> None:
        on = Scene(Asked(), most=3)
        for _ in range(3):
            on.open()[0].data_received(WHOLE)
        _, transport = on.open()
        assert b"overloaded" in transport.written[0]
        assert transport.closed

    scene(play)


def test_keep_alive() -> None:
    """An idle connection is closed when its time is over, counted from its last request."""

    async def play() -> None:
        on = Scene(Asked(answers.ACCEPTED), keep_alive_s=60)
        connection, transport = on.open()
        on.wait(50)
        connection.data_received(WHOLE)
        on.wait(50)
        assert not transport.closed
        on.wait(11)
        assert transport.closed

    scene(play)


def test_a_cut_is_read_on_for_a_while() -> None:
    """After an early answer the sending side is shut down first; what still comes is thrown away, within bounds."""

    async def play() -> None:
        on = Scene(Asked(answers.ACCEPTED))
        size, silence, time = on.open(), on.open(), on.open()
        for connection, transport in (size, silence, time):
            connection.data_received(b"nonsense\r\n\r\n")
            assert (transport.eof, transport.closed, transport.is_reading) == (True, False, True)
        closed = []
        for more in (LINGER_BYTES, 1):
            size[0].data_received(b"x" * more)
            closed.append(size[1].closed)
        assert closed == [False, True]
        for _ in range(int(LINGER_SECONDS / 4)):
            assert not time[1].closed
            time[0].data_received(b"x")
            on.wait(4)
            assert silence[1].closed is (on.clock.now >= 100 + SILENCE_SECONDS)
        on.wait(4)
        assert time[1].closed

    scene(play)
