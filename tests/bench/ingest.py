"""PART=ingest: what a request costs one process of ingest, beside a constant answer of uvicorn and a receiver in Go.

All get the same bytes from the same client, in turn, several times. A speed counts only when every answer was what it
must be, and Kafka holds as many records as were answered for. CPU is the server process's own, all of its threads.
"""

import base64
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from daymark.simulation.audience import Plan, events
from ingest import answers
from schemas.rejections import Reason
from schemas.segment import EVENT_LIMIT_BYTES
from schemas.workspace import digest
from tests.bench import base, environment, ground
from tests.bench.figures import Row, ratios
from tests.bench.ground import Ground
from tests.bench.ingest_client import Address, Client, Driven, Load
from tests.bench.mixed import FIRST_DAY, calls
from tests.bench.options import Options
from tests.flows import Process, wait_until

PART: Final = "ingest"
INGEST, CONSTANT, GO = "ingest", "a constant answer", "Go, franz-go"
PARTITIONS: Final = 12
KEY, LIMITED = "bench", "limited"
BATCH: Final = 100  # events
_DISTINCT: Final = 20_000
_NOW_MS: Final = 1_800_000_000_000
_SECONDS: Final = 3.0  # of a run, at most
_OK: Final = b"HTTP/1.1 200 OK\r\n"
ACCEPTED: Final = (_OK, b'{"success":true}')
TAKEN: Final = (_OK, b'{"success":true,"accepted":%d,"rejected":[]}' % BATCH)


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement, of events and of answers without one: a second; the server's CPU µs; its MB; times in ms."""

    per_second: float
    cpu_us: float
    rss_mb: float
    p50_ms: float | None = None
    p99_ms: float | None = None


class Rig:
    """The servers side by side, and a client."""

    def __init__(
        self, stack: ExitStack, here: Ground, go: list[str] | None, daymarks: Mapping[str, tuple[str, ...]]
    ) -> None:
        road = here.road("ingest", PARTITIONS)
        kafka, self._events = here.kafka, road.topics.events
        self._consumer = Consumer({"bootstrap.servers": kafka, "group.id": "bench-ingest"})
        stack.callback(self._consumer.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="daymark-bench-")))
        file = folder / "workspaces.toml"
        tables = [f'[workspaces.{name}]\nkeys = ["sha256:{digest(name).hex()}"]\n' for name in (KEY, LIMITED)]
        file.write_text("".join(tables) + "rate_per_second = 0.001\n")
        settings = {"DAYMARK_HTTP": "127.0.0.1:0", "DAYMARK_WORKSPACES": str(file)}
        servers = {
            CONSTANT: Process([sys.executable, "-m", "tests.bench.ingest_constant"], road.environment),
        }
        for named, command in daymarks.items():
            road.daymark = command
            servers[INGEST + named] = road.start("ingest", **settings)
        if go:
            servers[GO] = Process([*go, "shim", kafka, self._events, f"{KEY}={KEY}"], road.environment)
        self._client = Client(stack)
        for process in servers.values():
            stack.callback(process.end)
        for named in daymarks:
            servers[INGEST + named].wait_for("kafka.reached")
        wait_until(self._has_leaders, "the topics made just now have leaders")
        self._servers = {name: (process.pid, _address(process)) for name, process in servers.items()}

    def has(self, server: str) -> bool:
        """Whether there is such a server."""
        return server in self._servers

    def run(self, server: str, load: Load, records: int) -> Run:
        """Send a load; `records`: that each answer stands for, which must be in Kafka by then."""
        pid, address = self._servers[server]
        before, cpu_s = self._written(), _cpu_s(pid)
        driven = self._client.drive(address, load)
        cpu_us = (_cpu_s(pid) - cpu_s) / driven.answers * 1e6 / max(1, records)
        assert self._written() - before == records * driven.answers, "Kafka does not have what was answered for"
        return Run(driven.per_second * max(1, records), cpu_us, rss_mb(pid), *_times(driven))

    def _has_leaders(self) -> bool:
        try:
            return self._written() == 0
        except KafkaException:
            return False

    def _written(self) -> int:
        places = [TopicPartition(self._events, number) for number in range(PARTITIONS)]
        return sum(self._consumer.get_watermark_offsets(place, 10, cached=False)[1] for place in places)


def run(options: Options) -> list[Row]:
    """Measure the cases in turn, run by run; broken requests are excluded here, rejections are separate cases."""
    own = [event.body for event in events(Plan(_DISTINCT, FIRST_DAY, now_ms=_NOW_MS))]
    bodies = [event.body for event in calls(options.mix(_DISTINCT)._replace(broken=0))]
    one_each, together = singles(bodies), batches(bodies)
    found: dict[tuple[str, str], list[Run]] = {}
    go, seconds = environment.compiled(options), min(_SECONDS, options.seconds)
    with ground.opened() as here, ExitStack() as stack:
        daymarks = stack.enter_context(base.unpacked(options.base))
        ours = [INGEST + named for named in reversed(daymarks)]  # the last one's rate is the measure of others
        rig = Rig(stack, here, go, daymarks)

        def measure(case: str, load: Load, records: int, *servers: str) -> float:
            """Return what the last server answered a second."""
            for server in filter(rig.has, servers):
                options.say(f"{PART}: {case or 'warming up'}, {server}")
                one = rig.run(server, load, records if server != CONSTANT else 0)
                found.setdefault((server, case), []).append(one)
            return one.per_second

        spent = request(b"[%s]" % b",".join(bodies[:BATCH]), LIMITED)  # on credit, for a day
        for server in ours:
            rig.run(server, Load([spent], *TAKEN, 1, 0), BATCH)
        for _ in range(2):
            for server in (CONSTANT, GO, *ours):
                measure("", Load(one_each, *ACCEPTED, 256, seconds / 2), 1, server)
        found.clear()
        for _ in range(options.runs):
            load = Load(one_each, *ACCEPTED, 256, seconds)
            rate = measure("one event, 256 connections", load, 1, CONSTANT, GO, *ours)
            half = Load(one_each, *ACCEPTED, 256, seconds, rate / 2)
            measure("one event, half of that rate", half, 1, *ours)
            measure("one event of our own load", replace(load, requests=singles(own)), 1, *ours)
            measure(f"batches of {BATCH}, an event", Load(together, *TAKEN, 32, seconds), BATCH, GO, *ours)
            for name, refused in _refusals(own, seconds / 4).items():
                measure(name, refused, 0, INGEST)
    return list(_rows(found))


def _rows(found: Mapping[tuple[str, str], Sequence[Run]]) -> Iterator[Row]:
    for (server, case), runs in found.items():
        yield Row(PART, server, "own CPU", "µs", tuple(run.cpu_us for run in runs), case)
        yield Row(PART, server, "rate", "a second", tuple(run.per_second for run in runs), case)
        for name, times in (("p50", [run.p50_ms for run in runs]), ("p99", [run.p99_ms for run in runs])):
            if None not in times:
                yield Row(PART, server, name, "ms", tuple(time for time in times if time is not None), case)
        yield Row(PART, server, "memory", "MB", tuple(run.rss_mb for run in runs), case)
    for case in dict.fromkeys(case for _, case in found):
        cpu_us = {server: [run.cpu_us for run in runs] for (server, its), runs in found.items() if its == case}
        for other in (CONSTANT, GO):
            if other in cpu_us:
                yield from ratios(PART, case, cpu_us, other, f"CPU beside {other}")


def _refusals(bodies: Sequence[bytes], seconds: float) -> dict[str, Load]:
    some = bodies[:1000]
    cases = {
        "400, not JSON": ([request(body[:-9]) for body in some], answers.REASONS[Reason.MALFORMED_JSON]),
        "400, no time": (
            [request(body.replace(b'"timestamp":"2', b'"timestamp":"x')) for body in some],
            answers.REASONS[Reason.INVALID_TIMESTAMP],
        ),
        "401": ([request(body, "nobody") for body in some], answers.UNKNOWN_KEY),
        "413": ([request(b" " * (EVENT_LIMIT_BYTES + 1))], answers.REASONS[Reason.TOO_LARGE]),
        "429": ([request(body, LIMITED) for body in some], answers.RATE_LIMITED),
    }
    return {
        name: Load(requests, b"HTTP/1.1 %d " % refusal.status, answers.refused(refusal).body, 64, seconds)
        for name, (requests, refusal) in cases.items()
    }


def singles(bodies: Sequence[bytes], key: str = KEY) -> list[bytes]:
    """Return a request for each event."""
    return [request(body, key) for body in bodies]


def batches(bodies: Sequence[bytes], key: str = KEY) -> list[bytes]:
    """Return requests of `BATCH` events each."""
    groups = [bodies[at : at + BATCH] for at in range(0, len(bodies), BATCH)]
    return [request(b'{"batch":[%s]}' % b",".join(group), key, b"/v1/batch") for group in groups]


def request(body: bytes, key: str = KEY, path: bytes = b"/v1/identify") -> bytes:
    """Return a whole request, head and body."""
    head = (
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: analytics-node/2\r\nAccept: */*\r\n"
        b"Content-Type: application/json\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n"
    )
    return head % (path, base64.b64encode(f"{key}:".encode()), len(body)) + body


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
