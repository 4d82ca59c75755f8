"""The API called in this process, as a connection calls it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from prometheus_client import generate_latest

from ingest.app import App
from ingest.http.exchange import Head
from ingest.metrics import Metrics


class Answered(NamedTuple):
    """An answer: its status, its JSON, its headers, and how much of the body was wanted for it."""

    status: int
    json: dict[str, Any]
    headers: dict[str, str]
    wanted: int

    @property
    def code(self) -> str:
        """Empty when it succeeded."""
        return str(self.json.get("code", ""))


async def call(
    app: App,
    body: bytes,
    headers: Mapping[bytes, bytes],
    path: bytes = b"/v1/identify",
    gate: asyncio.Event | None = None,
) -> Answered:
    """Send a request; its body comes once the gate is open, and its answer is counted."""
    loop = asyncio.get_running_loop()
    answered = loop.create_future()
    began = loop.time()
    intake = app.begin(Head(b"POST", path, headers), answered.set_result)
    if gate is not None:
        await gate.wait()
    wanted = 0
    if intake is not None:
        wanted = len(body)
        intake.feed(body)
    if intake is not None and not answered.done():
        intake.end()
    answer = await answered
    app.answered(answer, loop.time() - began, len(body))
    lines = answer.head.decode().split("\r\n")[1:-1]
    said = {name: text for name, _, text in (line.partition(": ") for line in lines)}
    return Answered(answer.status, json.loads(answer.body), said, wanted)


def count(metrics: Metrics, line: str) -> float:
    """Return a metric, as Prometheus spells it."""
    lines = generate_latest(metrics.registry).decode().splitlines()
    return float(next(found.rpartition(" ")[2] for found in lines if found.rpartition(" ")[0] == line))
