"""Calls the API at a steady rate, as an open loop: a call is due whether or not those before it were answered.

A call's time runs from when it was due, so that one that had to wait for the client's own lateness is not told as
quicker than it was (no coordinated omission).
"""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from daymark.simulation.connection import Connection

ANSWER_S = 10.0
OK = 200


class Answered(NamedTuple):
    """A call: when it was due, when its answer came (both on the monotonic clock), and the answer's status."""

    due: float
    at: float
    status: int


class Line(NamedTuple):
    """Where the API is."""

    host: str
    port: int


async def steadily(line: Line, requests: Sequence[bytes], a_second: float) -> list[Answered]:
    """Send requests at a steady rate and return what came of each, in their order."""
    free: list[Connection] = []
    began = time.monotonic() + 0.1
    calls = []
    for number, request in enumerate(requests):
        due = began + number / a_second
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        calls.append(asyncio.create_task(_call(line, free, request, due)))
    answered = await asyncio.gather(*calls)
    for connection in free:
        connection.close()
    return answered


async def flat_out(line: Line, requests: Sequence[bytes], connections: int) -> list[Answered]:
    """Send requests as fast as they are answered, over so many connections; return what came of each."""
    answered: list[Answered] = []
    waiting = iter(requests)

    async def work() -> None:
        connection = await Connection.open(*line, tls=False)
        for request in waiting:
            due = time.monotonic()
            answer = await connection.ask(request, ANSWER_S)
            answered.append(Answered(due, time.monotonic(), answer.status))
        connection.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return answered


def request(key: str, path: str, body: bytes) -> bytes:
    """Return the bytes of a call."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def percentile(times: Sequence[float], percent: float) -> float:
    """Return the least time that so many percent of the times do not exceed."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


async def _call(line: Line, free: list[Connection], request: bytes, due: float) -> Answered:
    connection = free.pop() if free else await Connection.open(*line, tls=False)
    answer = await connection.ask(request, ANSWER_S)
    free.append(connection)
    return Answered(due, time.monotonic(), answer.status)
