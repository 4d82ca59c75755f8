"""PART=connections: what connections cost one process of ingest, beside uvicorn answering a constant.

Memory over 200,000 short connections, memory of 2,000 idle ones, memory of a pipeline that reads nothing, and the
longest wait of a health check under forty batches at once. Memory is resident; a growth is that of the server process.
"""

import http.client
import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import Final, NamedTuple

from daymark.setting_types import Address, address
from tests.bench import ground
from tests.bench.figures import Row
from tests.bench.ingest import rss_mb
from tests.bench.options import Options
from tests.bench.start import ingest
from tests.flows import Process

PART: Final = "connections"
SHORT, IDLE, PIPELINED, BATCHES, EVENTS = 200_000, 2_000, 6_500, 40, 4_000
_WARM, _AT_ONCE = 2_000, 8
_LOOPBACKS: Final = 64  # addresses of the client: one has too few ports for so many connections a minute
_STEADY_S: Final = 3.0

# Refused for its missing key: nothing but the connection is measured.
_REQUEST: Final = b"POST /v1/identify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
_GET: Final = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
_EVENT: Final = (
    b'{"type":"identify","timestamp":"2024-05-03T10:00:00Z","plan":"gold","traits":{"email":"p%d@example.com"}}'
)


class _Contender(NamedTuple):
    """A server: its process, its API, and where its health is asked."""

    name: str
    process: Process
    http: Address
    health: Address


def run(options: Options) -> list[Row]:
    """Measure each contender in turn, on fresh processes."""
    with ground.opened() as here, ExitStack() as stack:
        road = here.road("c", 12)
        own = ingest(stack, road)
        own.wait_for("kafka.reached")
        constant = Process([sys.executable, "-m", "tests.bench.ingest_constant"], road.environment)
        stack.callback(constant.end)
        contenders = [_contender("ingest", own), _contender("constant answer", constant)]
        return [row for contender in contenders for row in _rows(contender, options.say)]


def _rows(to: _Contender, say: Callable[[str], None]) -> Iterator[Row]:
    def row(measure: str, unit: str, value: float, case: str) -> Row:
        return Row(PART, to.name, measure, unit, (value,), case)

    say(f"{PART}: {to.name}, short connections")
    _short(to.http, _WARM)
    before = rss_mb(to.process.pid)
    _short(to.http, SHORT)
    yield row("memory before", "MB", before, f"{SHORT:,} short connections")
    yield row("memory after", "MB", rss_mb(to.process.pid), f"{SHORT:,} short connections")
    say(f"{PART}: {to.name}, idle connections")
    yield row("memory each", "kB", _idle(to), f"{IDLE:,} idle connections")
    say(f"{PART}: {to.name}, a pipeline that reads nothing")
    yield row("growth", "MB", _unread(to), f"{PIPELINED:,} requests, nothing read")
    say(f"{PART}: {to.name}, large batches")
    waits, statuses = _under_batches(to)
    case = f"{BATCHES} batches of {EVENTS:,} events at once"
    yield row("longest wait of a health check", "ms", max(waits) * 1000, case)
    yield row("health checks", "", len(waits), case)
    for status, count in sorted(statuses.items()):
        yield row(f"answered {status}", "", count, case)


def _contender(name: str, process: Process) -> _Contender:
    said = json.loads(process.wait_for(r'\{.*"ingest\.started".*\}'))
    return _Contender(name, process, address(said["http"]), address(said.get("admin", said["http"])))


def _short(to: Address, count: int) -> None:
    """Open so many connections, several at a time: each sends a request, takes its answer and goes."""

    def some(worker: int) -> None:
        for number in range(count // _AT_ONCE):
            source = f"127.0.1.{1 + (number * _AT_ONCE + worker) % _LOOPBACKS}"
            with socket.create_connection(to, 30, (source, 0)) as link:
                link.sendall(_REQUEST)
                assert link.recv(4096).startswith(b"HTTP/1.1 ")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(some, range(_AT_ONCE)))


def _idle(to: _Contender) -> float:
    """Return the kB of one connection of many that have each carried a request."""
    before = rss_mb(to.process.pid)
    with ExitStack() as stack:
        for number in range(IDLE):
            link = stack.enter_context(socket.create_connection(to.http, 30, (f"127.0.1.{1 + number % _LOOPBACKS}", 0)))
            link.sendall(_REQUEST)
            assert link.recv(4096).startswith(b"HTTP/1.1 ")
        return (rss_mb(to.process.pid) - before) * 1024 / IDLE


def _unread(to: _Contender) -> float:
    """Return by how many MB the process grows at most while a client pipelines requests and reads nothing."""
    before = most = rss_mb(to.process.pid)
    with socket.create_connection(to.http, 30) as link:
        link.setblocking(False)
        data, ends = _GET * PIPELINED, time.monotonic() + _STEADY_S
        while time.monotonic() < ends:
            with suppress(BlockingIOError):
                data = data[link.send(data) :] if data else data
            most = max(most, rss_mb(to.process.pid))
            time.sleep(0.002)
    return most - before


def _under_batches(to: _Contender) -> tuple[list[float], Counter[int]]:
    """Return the seconds of each health check while batches are sent at once, and how those were answered."""
    body = b'{"batch":[%s]}' % b",".join(_EVENT % number for number in range(EVENTS))
    head = "Bearer " + ground.WORKSPACE

    def send(_: int) -> int:
        with closing(http.client.HTTPConnection(*to.http, timeout=120)) as link:
            link.request("POST", "/v1/batch", body, {"Authorization": head})
            answer = link.getresponse()
            answer.read()
            return answer.status

    waits, done = list[float](), threading.Event()
    prober = threading.Thread(target=_probe, args=[to.health, waits, done])
    with ThreadPoolExecutor(BATCHES) as pool:
        sent = pool.map(send, range(BATCHES))
        prober.start()
        statuses = Counter(sent)
    done.set()
    prober.join()
    return waits, statuses


def _probe(health: Address, waits: list[float], done: threading.Event) -> None:
    with closing(http.client.HTTPConnection(*health, timeout=120)) as link:
        while not done.is_set():
            asked = time.monotonic()
            link.request("GET", "/livez")
            link.getresponse().read()
            waits.append(time.monotonic() - asked)
            done.wait(0.005)
