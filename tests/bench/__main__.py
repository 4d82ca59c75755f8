"""`make bench`: a worker beside a pass-through that does nothing (consume, produce, transactions of the same size).

Both take the same topic on the same broker, in turn, several times; figures are compared run by run, since machines
are noisy. A run counts only when what it committed is right.
"""

import argparse
import os
import platform
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.table import Table

from daymark.local.kafka import Kafka
from daymark.local.preparation import prepare
from daymark.local.valkey import Valkey
from schemas.topics import Topics
from tests.bench.load import first_share_events
from tests.flows import Process, Road, wait_until

PARTITIONS = 12
PASS_THROUGH = Path(__file__).with_name("pass_through.py")
TICK = os.sysconf("SC_CLK_TCK")


class Run(NamedTuple):
    """One run: events a second from the first fetch to the last commit, CPU of the process itself, its memory."""

    events_per_s: float
    cpu_us: float
    rss_mb: float


def main() -> None:
    arguments = _arguments()
    with ExitStack() as stack:
        visits, properties = _roads(stack)
        console = Console()
        console.print(f"{_machine()}; embedded Kafka and Valkey on the same cores; {arguments.events:,} events")
        visits.send(first_share_events(arguments.events, arguments.contacts, computed=False))
        properties.send(first_share_events(arguments.events, arguments.contacts, computed=True))
        runs: dict[str, list[Run]] = {"pass-through": [], "worker": [], "worker, a property an event": []}
        for _ in range(arguments.runs):
            runs["pass-through"].append(_pass_through(visits, arguments.events))
            runs["worker"].append(_worker(visits, arguments.events, arguments.contacts))
            runs["worker, a property an event"].append(_worker(properties, arguments.events, arguments.contacts))
        console.print(_table(runs))
        for name in list(runs)[1:]:
            ratios = [w.cpu_us / p.cpu_us for w, p in zip(runs[name], runs["pass-through"], strict=True)]
            console.print(f"CPU an event, {name} / pass-through, run by run: {_spread(ratios, '.2f')}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--contacts", type=int, default=90_000, help="contact-days: the share of firsts")
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args()


def _roads(stack: ExitStack) -> tuple[Road, Road]:
    """Return a road for events without properties and one for events with them, on the same parts."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="daymark-bench-")))
    kafka = Kafka(prepare(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")), folder / "kafka")
    stack.callback(kafka.stop)
    kafka.start()
    valkey = Valkey(folder / "valkey")
    stack.callback(valkey.stop)
    valkey.start()
    roads = [Road(kafka.bootstrap, valkey.url, Topics(name), secrets.token_bytes(16)) for name in ("", "properties.")]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    topics = [topic for road in roads for topic in road.topics.all()]
    new = [NewTopic(topic.name, PARTITIONS, config=dict(topic.settings)) for topic in topics]
    for future in admin.create_topics([*new, NewTopic("passed", PARTITIONS)]).values():
        future.result(30)
    return roads[0], roads[1]


def _worker(road: Road, events: int, contacts: int) -> Run:
    group, key = f"worker-{secrets.token_hex(4)}", secrets.token_hex(16)
    process = road.start("process", DAYMARK_GROUP=group, DAYMARK_CLAIM_KEY=key)
    try:
        run = _measured(process, road, group, events)
        figures = process.metrics()
    finally:
        process.end()
    assert figures['daymark_events_total{result="emitted"}'] == contacts, figures
    assert figures['daymark_events_total{result="duplicate"}'] == events - contacts, figures
    changed = sum(figure for name, figure in figures.items() if name.startswith("daymark_traits_total"))
    assert changed == (events if road.topics.prefix else 0), figures
    return run


def _pass_through(road: Road, events: int) -> Run:
    group = f"passed-{secrets.token_hex(4)}"
    process = Process([sys.executable, str(PASS_THROUGH), road.kafka, road.topics.events, "passed", group], os.environ)
    try:
        return _measured(process, road, group, events)
    finally:
        process.end()


def _measured(process: Process, road: Road, group: str, events: int) -> Run:
    process.wait_for("assigned")
    began, cpu = time.monotonic(), _cpu_s(process.pid)
    consumer = Consumer({"bootstrap.servers": road.kafka, "group.id": group})
    places = [TopicPartition(road.topics.events, partition) for partition in range(PARTITIONS)]
    ends = sum(consumer.get_watermark_offsets(place, 10)[1] for place in places)
    wait_until(lambda: sum(max(p.offset, 0) for p in consumer.committed(places, 20)) == ends, "all is done", 600, 0.05)
    run = Run(events / (time.monotonic() - began), (_cpu_s(process.pid) - cpu) / events * 1e6, _rss_mb(process.pid))
    consumer.close()
    return run


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _table(runs: dict[str, list[Run]]) -> Table:
    table = Table("", "events/s", "CPU µs an event", "memory, MB", title="minimum / median / maximum")
    for name, measured in runs.items():
        table.add_row(name, *(_spread(column, form) for column, form in _columns(measured)))
    return table


def _columns(measured: list[Run]) -> Iterator[tuple[list[float], str]]:
    yield [run.events_per_s for run in measured], ",.0f"
    yield [run.cpu_us for run in measured], ".1f"
    yield [run.rss_mb for run in measured], ".0f"


def _spread(figures: list[float], form: str) -> str:
    return " / ".join(format(figure, form) for figure in (min(figures), statistics.median(figures), max(figures)))


def _machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


main()
