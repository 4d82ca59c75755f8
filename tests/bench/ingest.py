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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from rich.console import Console

from daymark.simulation.audience import Plan, events
from ingest import answers
from schemas.reasons import Reason
from schemas.topics import Topics
from schemas.workspace import digest
from tests.bench import ground
from tests.bench.figures import Row, sheets, shown
from tests.bench.ingest_client import Address, Client, Driven, Load
from tests.flows import Process, Road, wait_until
from tests.made import make

PART: Final = "ingest"
INGEST, CONSTANT = "ingest", "constant answer"
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


class Rig:
    """The servers side by side, and a client."""

    def __init__(self, stack: ExitStack, kafka: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": kafka, "group.id": "bench-ingest"})
        stack.callback(self._consumer.close)
        make(kafka, TOPICS.all(), _partitions())
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
        wait_until(self._has_leaders, "the topics made just now have leaders")
        self._addresses = {process.pid: _address(process) for process in (self.ingest, self.constant)}

    def run(self, server: Process, load: Load, records: int) -> Run:
        """Send a load; `records`: that each answer stands for, which must be in Kafka by then."""
        before, cpu_s = self._written(), _cpu_s(server.pid)
        driven = self._client.drive(self._addresses[server.pid], load)
        cpu_us = (_cpu_s(server.pid) - cpu_s) / driven.answers * 1e6
        assert self._written() - before == records * driven.answers, "Kafka does not have what was answered for"
        return Run(driven.per_second, cpu_us, rss_mb(server.pid), *_times(driven), driven.cpu_s / driven.answers * 1e6)

    def _has_leaders(self) -> bool:
        try:
            return self._written() == 0
        except KafkaException:
            return False

    def _written(self) -> int:
        places = [TopicPartition(TOPICS.events, number) for number in range(_partitions())]
        return sum(self._consumer.get_watermark_offsets(place, 10, cached=False)[1] for place in places)


def run(kafka: str, runs: int = 3, seconds: float = 4.0) -> list[Row]:
    """Measure on a Kafka of which nobody else asks anything.

    Args:
        kafka: bootstrap servers.
        runs: of each case, in turn.
        seconds: of each run.
    """
    bodies = _bodies()
    singles, batches = _singles(bodies), _batches(bodies)
    found: dict[tuple[str, str], list[Run]] = {}
    with ExitStack() as stack:
        rig = Rig(stack, kafka)

        def measure(case: str, load: Load, records: int) -> Run:
            one = rig.run(rig.ingest, load, records)
            found.setdefault((INGEST, case), []).append(one)
            return one

        accepted = (_OK, b'{"success":true}')
        taken = (_OK, b'{"success":true,"accepted":%d,"rejected":[]}' % BATCH)
        spent = _request(b"[%s]" % b",".join(bodies[:BATCH]), LIMITED)  # on credit, for a day
        rig.run(rig.ingest, Load([spent], *taken, 1, 0), BATCH)
        for _ in range(2):
            rig.run(rig.ingest, Load(singles, *accepted, 256, seconds), 1)
            rig.run(rig.constant, Load(singles, *accepted, 256, seconds / 4), 0)
        for _ in range(runs):
            for connections in (64, 256):
                load, case = Load(singles, *accepted, connections, seconds), f"one event, {connections} connections"
                found.setdefault((CONSTANT, case), []).append(rig.run(rig.constant, load, 0))
                rate = measure(case, load, 1).per_second
            measure("one event, half of that rate", Load(singles, *accepted, 256, seconds, rate / 2), 1)
            measure(f"batches of {BATCH}", Load(batches, *taken, 32, seconds), BATCH)
            for name, load in _refusals(bodies, seconds / 4).items():
                measure(name, load, 0)
    return list(_rows(found))


def _rows(found: Mapping[tuple[str, str], Sequence[Run]]) -> Iterator[Row]:
    for (contender, case), runs in found.items():
        yield Row(PART, contender, "rate", "answers/s", tuple(run.per_second for run in runs), case)
        yield Row(PART, contender, "own CPU", "µs an answer", tuple(run.cpu_us for run in runs), case)
        for name, times in (("p50", [run.p50_ms for run in runs]), ("p99", [run.p99_ms for run in runs])):
            if None not in times:
                yield Row(PART, contender, name, "ms", tuple(time for time in times if time is not None), case)
        yield Row(PART, contender, "memory", "MB", tuple(run.rss_mb for run in runs), case)
        if contender == INGEST and (CONSTANT, case) in found:
            both = list(zip(runs, found[CONSTANT, case], strict=True))
            cpu = tuple(own.cpu_us / other.cpu_us for own, other in both)
            yield Row(PART, contender, "CPU beside a constant answer", "times", cpu, case)
            rate = tuple(own.per_second / other.per_second for own, other in both)
            yield Row(PART, contender, "rate beside it", "times", rate, case)


def main() -> None:
    """Measure on an embedded Kafka and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ingest", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of each run")
    arguments = parser.parse_args()
    with ground.opened() as here:
        rows = run(here.kafka, arguments.runs, arguments.seconds)
    for sheet in sheets(PART, rows):
        Console().print(shown(sheet))


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


def _partitions() -> int:
    return next(topic.partitions for topic in TOPICS.all() if topic.name == TOPICS.events)


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


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
