"""`make bench-isolation`: what a workspace waits while another floods the same ingest process.

The quiet one sends single calls at a steady rate (open loop: one is due whether or not the last was answered) while the
loud one sends as fast as it can, from many connections. Times are told beside those without any flood.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.table import Table

from daymark.local import ports
from daymark.local.kafka import Kafka
from daymark.local.preparation import prepare
from daymark.simulation.connection import Connection
from schemas.topics import Topics
from schemas.workspace import digest
from tests.flows import Road

PER_SECOND, FLOOD_CONNECTIONS, ANSWER_S = 50, 64, 10.0
OK = 200
GOOD = b'{"type":"identify","timestamp":"2024-05-03T10:00:00Z","traits":{"email":"peter@example.com"}}'
BAD = b'{"type":"identify","timestamp":"never","traits":{"email":"peter@example.com"}}'


class Flood(NamedTuple):
    """What the loud workspace does: under which key, with which body."""

    key: str
    body: bytes


FLOODS = {
    "none": None,
    "valid events, no limit": Flood("loud", GOOD),
    "over its rate: 429": Flood("limited", GOOD),
    "mistakes: 400": Flood("loud", BAD),
}


class Seen(NamedTuple):
    """What came of it: the quiet one's times, in ms, and both ones' answers by status."""

    times_ms: list[float]
    quiet: Counter[int]
    loud: Counter[int]


def main() -> None:
    seconds = _arguments().seconds
    with ExitStack() as stack:
        port = _ingest(stack)
        asyncio.run(_warm(port))
        seen = {name: asyncio.run(_measure(port, flood, seconds)) for name, flood in FLOODS.items()}
    Console().print(_table(seen, seconds))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-isolation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    return parser.parse_args()


def _ingest(stack: ExitStack) -> int:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="daymark-bench-")))
    kafka = Kafka(prepare(Path("~/.cache")), folder / "kafka")
    stack.callback(kafka.stop)
    kafka.start()
    topics = [NewTopic(topic.name, topic.partitions, config=dict(topic.settings)) for topic in Topics().all()]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for future in admin.create_topics(topics).values():
        future.result(30)
    file, port = folder / "workspaces.toml", ports.choose()
    tables = [f'[workspaces.{name}]\nkeys = ["sha256:{digest(name).hex()}"]\n' for name in ("quiet", "loud", "limited")]
    file.write_text("".join(tables) + "rate_per_second = 100\n")
    road = Road(kafka.bootstrap, "redis://127.0.0.1:1", Topics(), b"")
    process = road.start("ingest", DAYMARK_HTTP=f"127.0.0.1:{port}", DAYMARK_WORKSPACES=str(file))
    stack.callback(process.end)
    process.wait_for("ingest.started")
    return port


async def _warm(port: int) -> None:
    line, warm = await Connection.open("127.0.0.1", port, tls=False), 0
    while warm < PER_SECOND:  # the first ones wait for Kafka's metadata
        warm += (await line.ask(_request("quiet", GOOD), ANSWER_S)).status == OK
    line.close()


async def _measure(port: int, flood: Flood | None, seconds: float) -> Seen:
    seen = Seen([], Counter(), Counter())
    ends = time.monotonic() + seconds
    floods = [asyncio.create_task(_flood(port, flood, ends, seen)) for _ in range(FLOOD_CONNECTIONS) if flood]
    asked: list[asyncio.Task[None]] = []
    lines = [await Connection.open("127.0.0.1", port, tls=False) for _ in range(PER_SECOND)]
    due = time.monotonic()
    while due < ends:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        asked.append(asyncio.create_task(_ask(lines[len(asked) % len(lines)], due, seen)))
        due += 1 / PER_SECOND
    await asyncio.gather(*asked, *floods)
    for line in lines:
        line.close()
    return seen


async def _flood(port: int, flood: Flood, ends: float, seen: Seen) -> None:
    line = await Connection.open("127.0.0.1", port, tls=False)
    request = _request(flood.key, flood.body)
    while time.monotonic() < ends:
        seen.loud[(await line.ask(request, ANSWER_S)).status] += 1
    line.close()


async def _ask(line: Connection, due: float, seen: Seen) -> None:
    answer = await line.ask(_request("quiet", GOOD), ANSWER_S)
    seen.times_ms.append((time.monotonic() - due) * 1000)
    assert json.loads(answer.body)["success"] is (answer.status == OK)
    seen.quiet[answer.status] += 1


def _request(key: str, body: bytes) -> bytes:
    head = (
        f"POST /v1/identify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _table(seen: dict[str, Seen], seconds: float) -> Table:
    table = Table("the other one's flood", "its answers/s", "quiet: p50 ms", "p99 ms", "answers")
    for name, found in seen.items():
        cuts = statistics.quantiles(found.times_ms, n=100)
        loud = ", ".join(f"{status}: {count / seconds:,.0f}" for status, count in sorted(found.loud.items()))
        table.add_row(name, loud or "-", f"{cuts[49]:.1f}", f"{cuts[98]:.1f}", str(dict(found.quiet)))
    return table


if __name__ == "__main__":
    main()
