"""`make bench PART=ingest`: what a request costs one process of ingest, beside uvicorn answering a constant.

Both get the same bytes from the same client, in turn, several times. A speed counts only when every answer was what it
must be, and Kafka holds as many records as were answered for. CPU is the server process's own, all of its threads.
"""

import argparse
import base64
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.table import Table

from daymark.local.kafka import Kafka
from daymark.local.preparation import prepare
from daymark.simulation.audience import Plan, events
from ingest import answers
from schemas.reasons import Reason
from schemas.topics import Topics
from schemas.workspace import digest
from tests.bench.ingest_client import Address, Client, Driven, Load
from tests.flows import Process, Road

TOPICS: Final = Topics("bench-ingest.")
KEY, LIMITED = "bench", "limited"
BATCH: Final = 100  # events
_DISTINCT: Final = 20_000
_OK: Final = b"HTTP/1.1 200 OK\r\n"


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: answers a second, CPU of the server for each in µs, its memory in MB, times in ms if asked."""

    per_second: float
    cpu_us: float
    rss_mb: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    client_us: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The runs of each case, by name."""

    runs: Mapping[str, list[Run]] = field(default_factory=dict)


class Rig:
    """The servers side by side, and a client."""

    def __init__(self, stack: ExitStack, kafka: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": kafka, "group.id": "bench-ingest"})
        stack.callback(self._consumer.close)
        _make_topics(kafka)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="daymark-bench-")))
        file = folder / "workspaces.toml"
        tables = [f'[workspaces.{name}]\nkeys = ["sha256:{digest(name).hex()}"]\n' for name in (KEY, LIMITED)]
        file.write_text("".join(tables) + "rate_per_second = 0.001\n")
        road = Road(kafka, "redis://127.0.0.1:1", TOPICS, b"")
        settings = {"DAYMARK_HTTP": "127.0.0.1:0", "DAYMARK_WORKSPACES": str(file)}
        self.ingest = road.start("ingest", **settings)
        self.constant = Process([sys.executable, "-m", "tests.bench.ingest_constant"], road.environment)
        self._client = Client(stack)
        for process in (self.ingest, self.constant):
            stack.callback(process.end)
        self.ingest.wait_for("kafka.reached")
        self._addresses = {process.pid: _address(process) for process in (self.ingest, self.constant)}

    def run(self, server: Process, load: Load, records: int) -> Run:
        """Send a load; `records`: that each answer stands for, which must be in Kafka by then."""
        before, cpu_s = self._written(), _cpu_s(server.pid)
        driven = self._client.drive(self._addresses[server.pid], load)
        cpu_us = (_cpu_s(server.pid) - cpu_s) / driven.answers * 1e6
        assert self._written() - before == records * driven.answers, "Kafka does not have what was answered for"
        return Run(driven.per_second, cpu_us, _rss_mb(server.pid), *_times(driven), driven.cpu_s / driven.answers * 1e6)

    def _written(self) -> int:
        places = [TopicPartition(TOPICS.events, number) for number in range(_partitions())]
        return sum(self._consumer.get_watermark_offsets(place, 10, cached=False)[1] for place in places)


def run(kafka: str, runs: int = 3, seconds: float = 4.0) -> Figures:
    """Measure on a Kafka of which nobody else asks anything.

    Args:
        kafka: bootstrap servers.
        runs: of each case, in turn.
        seconds: of each run.
    """
    bodies = _bodies()
    singles, batches = _singles(bodies), _batches(bodies)
    figures: dict[str, list[Run]] = {}
    with ExitStack() as stack:
        rig = Rig(stack, kafka)

        def measure(name: str, server: Process, load: Load, records: int) -> Run:
            found = rig.run(server, load, records)
            figures.setdefault(name, []).append(found)
            return found

        accepted = (_OK, b'{"success":true}')
        taken = (_OK, b'{"success":true,"accepted":%d,"rejected":[]}' % BATCH)
        spent = _request(b"[%s]" % b",".join(bodies[:BATCH]), LIMITED)  # on credit, for a day
        rig.run(rig.ingest, Load([spent], *taken, 1, 0), BATCH)
        for _ in range(2):
            rig.run(rig.ingest, Load(singles, *accepted, 256, seconds), 1)
            rig.run(rig.constant, Load(singles, *accepted, 256, seconds / 4), 0)
        for _ in range(runs):
            for connections in (64, 256):
                load = Load(singles, *accepted, connections, seconds)
                measure(f"constant answer, {connections} connections", rig.constant, load, 0)
                rate = measure(f"one event, {connections} connections", rig.ingest, load, 1).per_second
            half = Load(singles, *accepted, 256, seconds, rate / 2)
            measure("one event, half of that rate", rig.ingest, half, 1)
            measure(f"batches of {BATCH}", rig.ingest, Load(batches, *taken, 32, seconds), BATCH)
            for name, load in _refusals(bodies, seconds / 4).items():
                measure(name, rig.ingest, load, 0)
    return Figures(figures)


def main() -> None:
    """Measure on an embedded Kafka and print the table."""
    parser = argparse.ArgumentParser(prog="make bench PART=ingest", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of each run")
    parser.add_argument("--kafka", default="", help="bootstrap servers; an embedded Kafka without")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        figures = run(arguments.kafka or _embedded(stack), arguments.runs, arguments.seconds)
    Console().print(table(figures))


def table(figures: Figures) -> Table:
    """Return the figures for people."""
    shown = Table(
        "minimum / median / maximum", "a second", "CPU µs each", "p50 ms", "p99 ms", "memory, MB", "client µs"
    )
    for name, runs in figures.runs.items():
        columns = (
            _spread([run.per_second for run in runs], ",.0f"),
            _spread([run.cpu_us for run in runs], ".1f"),
            _spread([run.p50_ms for run in runs if run.p50_ms is not None], ".1f"),
            _spread([run.p99_ms for run in runs if run.p99_ms is not None], ".1f"),
            _spread([run.rss_mb for run in runs], ".0f"),
            _spread([run.client_us for run in runs], ".1f"),
        )
        shown.add_row(name, *columns)
    return shown


def _refusals(bodies: Sequence[bytes], seconds: float) -> dict[str, Load]:
    some = bodies[:1000]
    cases = {
        "400, not JSON": ([_request(body[:-9]) for body in some], answers.REASONS[Reason.MALFORMED_JSON]),
        "400, no time": (
            [_request(body.replace(b'"timestamp":"2', b'"timestamp":"x')) for body in some],
            answers.REASONS[Reason.INVALID_TIMESTAMP],
        ),
        "401": ([_request(body, "nobody") for body in some], answers.UNKNOWN_KEY),
        "413": ([_request(b" " * 512_001)], answers.REQUEST_TOO_LARGE),
        "429": ([_request(body, LIMITED) for body in some], answers.RATE_LIMITED),
    }
    return {
        name: Load(requests, b"HTTP/1.1 %d " % refusal.status, answers.refused(refusal).body, 64, seconds)
        for name, (requests, refusal) in cases.items()
    }


def _bodies() -> list[bytes]:
    plan = Plan(_DISTINCT, date(2024, 5, 3), now_ms=1_800_000_000_000)
    return [event.body for event in events(plan)]


def _singles(bodies: Sequence[bytes]) -> list[bytes]:
    return [_request(body) for body in bodies]


def _batches(bodies: Sequence[bytes]) -> list[bytes]:
    groups = [bodies[at : at + BATCH] for at in range(0, len(bodies), BATCH)]
    return [_request(b'{"batch":[%s]}' % b",".join(group), path=b"/v1/batch") for group in groups]


def _request(body: bytes, key: str = KEY, path: bytes = b"/v1/identify") -> bytes:
    head = (
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: analytics-node/2\r\nAccept: */*\r\n"
        b"Content-Type: application/json\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n"
    )
    return head % (path, base64.b64encode(f"{key}:".encode()), len(body)) + body


def _embedded(stack: ExitStack) -> str:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="daymark-bench-")))
    kafka = Kafka(prepare(Path("~/.cache")), folder / "kafka")
    stack.callback(kafka.stop)
    kafka.start()
    return kafka.bootstrap


def _partitions() -> int:
    return next(topic.partitions for topic in TOPICS.all() if topic.name == TOPICS.events)


def _make_topics(kafka: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    topics = [NewTopic(topic.name, topic.partitions, config=dict(topic.settings)) for topic in TOPICS.all()]
    for future in admin.create_topics(topics).values():
        future.result(30)


def _address(process: Process) -> Address:
    host, _, port = json.loads(process.wait_for(r'\{.*"ingest\.started".*\}'))["http"].rpartition(":")
    return host, int(port)


def _times(driven: Driven) -> tuple[float | None, float | None]:
    if not driven.times_s:
        return None, None
    cuts = statistics.quantiles(driven.times_s, n=100)
    return cuts[49] * 1000, cuts[98] * 1000


def _cpu_s(pid: int) -> float:
    """Return a process's CPU time, of all threads, to the nanosecond (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _spread(figures: Sequence[float], form: str) -> str:
    if not figures:
        return "-"
    return " / ".join(format(figure, form) for figure in (min(figures), statistics.median(figures), max(figures)))


if __name__ == "__main__":
    main()
