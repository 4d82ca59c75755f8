"""Load for an HTTP server, much cheaper than the server: raw sockets, bytes made before, answers compared as bytes.

Closed loop: each connection sends its next request when the last was answered. Open loop: requests are due at a steady
rate whether or not others were answered, and times count from when they were due (no coordinated omission).
"""

import collections
import itertools
import select
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final

Address = tuple[str, int]

_ANSWER_S: Final = 10.0  # without any answer for so long, something is broken
_TICK_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: requests (again from the start at their end) until the time is over, and what each is answered.

    Attributes:
        requests: whole, head and body.
        begins: how an answer must begin.
        ends: how it must end.
        connections: at a time.
        seconds: how long.
        per_second: requests due; None: closed loop.
    """

    requests: Sequence[bytes]
    begins: bytes
    ends: bytes
    connections: int
    seconds: float
    per_second: float | None = None


@dataclass(slots=True)
class Driven:
    """What came of it: answers, all as they must be, in how many seconds, with how much CPU of the client's own."""

    answers: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    times_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


class Client:
    """A separate process that sends loads."""

    def __init__(self, stack: ExitStack) -> None:
        self._pool = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))

    def drive(self, address: Address, load: Load) -> Driven:
        """Send a load and wait for its end.

        Raises:
            AssertionError: an answer is not what it must be.
        """
        return self._pool.submit(drive, address, load).result()


def drive(address: Address, load: Load) -> Driven:
    """As `Client.drive`, in this process."""
    with ExitStack() as stack:
        lines = [stack.enter_context(_connect(address)) for _ in range(load.connections)]
        poll = stack.enter_context(select.epoll())
        for line in lines:
            poll.register(line, select.EPOLLIN)
        driven, began, cpu = Driven(), time.monotonic(), time.process_time()
        send = _closed if load.per_second is None else _open
        send(poll, {line.fileno(): line for line in lines}, load, driven)
        driven.seconds, driven.cpu_s = time.monotonic() - began, time.process_time() - cpu
    return driven


def _connect(address: Address) -> socket.socket:
    line = socket.create_connection(address, _ANSWER_S)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def _closed(poll: select.epoll, lines: dict[int, socket.socket], load: Load, driven: Driven) -> None:
    requests, ends = itertools.cycle(load.requests), time.monotonic() + load.seconds
    for line in lines.values():
        line.sendall(next(requests))
    waiting = len(lines)
    while waiting:
        more = time.monotonic() < ends
        for number in _answered(poll, lines, load):
            driven.answers += 1
            if more:
                lines[number].sendall(next(requests))
            else:
                waiting -= 1


def _open(poll: select.epoll, lines: dict[int, socket.socket], load: Load, driven: Driven) -> None:
    assert load.per_second is not None
    requests, every = itertools.cycle(load.requests), 1 / load.per_second
    idle, asked = collections.deque(lines), dict[int, float]()
    due = time.monotonic()
    ends = due + load.seconds
    while due < ends or asked:
        now = time.monotonic()
        while idle and due <= now and due < ends:
            number = idle.popleft()
            asked[number] = due
            lines[number].sendall(next(requests))
            due += every
        for number in _answered(poll, lines, load, _TICK_S):
            driven.answers += 1
            driven.times_s.append(time.monotonic() - asked.pop(number))
            idle.append(number)


def _answered(
    poll: select.epoll, lines: dict[int, socket.socket], load: Load, wait_s: float | None = None
) -> Iterator[int]:
    """Yield the connections on which an answer came, whole and as it must be."""
    events: Iterable[tuple[int, int]] = poll.poll(_ANSWER_S if wait_s is None else wait_s)
    assert events or wait_s is not None, "no answer came for long"
    for number, _ in events:
        data = lines[number].recv(65536)
        while data.startswith(load.begins) and not data.endswith(load.ends):
            more = lines[number].recv(65536)
            assert more, "an answer is cut short"
            data += more
        assert data.startswith(load.begins), data[:500]
        yield number
