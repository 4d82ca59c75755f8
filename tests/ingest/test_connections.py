"""Ten thousand open connections: each is served or refused properly, and the server keeps working."""

import asyncio
import json
import resource
from collections import Counter

import pytest
import uvloop

from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.wire import event, post

MOST_BYTES = 512 * 1024 * 1024
LATE = post(event(traits={"email": "late@example.com"}))

Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def connections() -> int:
    """Return how many connections this process may open, 10,000 at most."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 10_000 if hard == resource.RLIM_INFINITY else min(10_000, hard - 1_000)


def test_ten_thousand_connections(own_server: Server, connections: int) -> None:
    """While Kafka takes nothing, every request is refused in time and memory does not grow; then all are served."""
    refused, served = uvloop.run(_ask_on_all(own_server.http, connections, LATE, post()))
    assert refused["overloaded"] > 0
    assert refused.keys() == {"overloaded", "unavailable"}
    assert served == {"": connections}
    assert wire.metric(own_server.admin, "process_resident_memory_bytes") < MOST_BYTES


async def _ask_on_all(address: wire.Address, count: int, *requests: bytes) -> list[Counter[str]]:
    """Hold so many connections and send each request on all of them; return the codes of the answers to each."""
    some_at_a_time = asyncio.Semaphore(200)

    async def opened() -> Link:
        async with some_at_a_time:
            return await asyncio.open_connection(*address)

    links = await asyncio.gather(*(opened() for _ in range(count)))
    codes = [await _ask(links, request) for request in requests]
    for _, writer in links:
        writer.transport.abort()
    return codes


async def _ask(links: list[Link], request: bytes) -> Counter[str]:
    for _, writer in links:
        writer.write(request)
    return Counter(await asyncio.gather(*(_code(reader) for reader, _ in links)))


async def _code(reader: asyncio.StreamReader) -> str:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return str(json.loads(await reader.readexactly(length)).get("code", ""))
