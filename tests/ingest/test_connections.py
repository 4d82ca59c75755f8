"""Ten thousand open connections: each is served or refused in good order, and the server goes on."""

import asyncio
import resource
from collections import Counter

import psutil
import pytest
import uvloop

from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.wire import event, post

MOST_BYTES = 512 * 1024 * 1024
LATE = post(event(traits={"email": "late@example.com"}))


@pytest.fixture
def connections() -> int:
    """Return how many connections this process may open, 10,000 at most."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 10_000 if hard == resource.RLIM_INFINITY else min(10_000, hard - 1_000)


def test_ten_thousand_connections(own_server: Server, connections: int) -> None:
    """All are held open at once, and each that asks is answered."""
    codes = uvloop.run(_ask_on_all(own_server.http, connections, post()))
    assert codes == {"": connections}


def test_ten_thousand_requests_at_once(own_server: Server, connections: int) -> None:
    """While Kafka takes nothing, every request is refused in time, and memory does not grow with them."""
    codes = uvloop.run(_ask_on_all(own_server.http, connections, LATE))
    assert codes["overloaded"] > 0
    assert codes.keys() == {"overloaded", "unavailable"}
    assert psutil.Process(own_server.process.pid).memory_info().rss < MOST_BYTES
    assert wire.exchange(own_server.http, post()).status == 200


async def _ask_on_all(address: wire.Address, count: int, request: bytes) -> Counter[str]:
    some_at_a_time = asyncio.Semaphore(200)

    async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with some_at_a_time:
            return await asyncio.open_connection(*address)

    links = await asyncio.gather(*(opened() for _ in range(count)))
    for _, writer in links:
        writer.write(request)
    codes = await asyncio.gather(*(_code(reader) for reader, _ in links))
    for _, writer in links:
        writer.transport.abort()
    return Counter(codes)


async def _code(reader: asyncio.StreamReader) -> str:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return wire.read_code(await reader.readexactly(length))
