"""Who takes the same topic: a worker, and what a user would pick instead.

A run counts only when what it committed is right.
"""

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.bench.ground import Ground, folder
from tests.bench.load import Multiset, Work
from tests.bench.measuring import cpu_s, peak_mb
from tests.flows import DAYMARK, Process, wait_until

PASSED, WRITTEN = "passed", "written"  # topics of those that are no Daymark
_RUN_S, _POLL_S, _ANSWER_S = 900.0, 0.05, 20.0
_PROGRAMS = Path(__file__).with_name("programs")
_ASSIGNED = r'"partitions\.assigned"|^assigned'


class Wrong(Exception):
    """What was committed is not what the events demand."""


class Run(NamedTuple):
    """One run, from the first event handed out to the last commit; and its second half, when who needs to is warm."""

    events_per_s: float
    cpu_us: Mapping[str, float]  # an event: `own`, and where they are ours `broker` and `store`
    half_events_per_s: float
    half_cpu_us: float  # own
    peak_mb: float
    missed: float  # the share that was done before all of its processes had begun, and is not in these figures
    store_bytes: float = 0.0  # a claim


class _Moment(NamedTuple):
    at: float
    done: int
    cpu_s: Mapping[str, float]

    def since(self, before: "_Moment") -> tuple[float, dict[str, float]]:
        """Return events a second and CPU µs an event between two moments."""
        events = max(1, self.done - before.done)
        cpu_us = {name: (cpu_s - before.cpu_s[name]) / events * 1e6 for name, cpu_s in self.cpu_s.items()}
        return events / (self.at - before.at), cpu_us


class Contender(NamedTuple):
    """One of those that are compared.

    `command` is made from the work, the group and a folder of the run's own; `result` says where the outcome is, by
    which part of a record it receives, and what it must be.
    """

    name: str
    command: Callable[[Work, str, str], list[str]]
    result: Callable[[Work], tuple[str, str, Multiset]]
    processes: int = 1


def worker(processes: int = 1, daymark: tuple[str, ...] = DAYMARK, named: str = "") -> Contender:
    """Return a Daymark's own, as `daymark process --workers N`; `named` follows its name."""
    command = [*daymark, "process", "--workers", str(processes)]
    name = "worker" if processes == 1 else f"{processes} workers"
    return Contender(name + named, lambda *_: command, _of_daymark, processes)


def _of_daymark(work: Work) -> tuple[str, str, Multiset]:
    return work.road.topics.interactions, "key", work.interactions


PASS_THROUGH = Contender(
    "pass-through",
    lambda work, group, _: _program("pass_through", work, PASSED, group),
    lambda work: (work.road.topics.prefix + PASSED, "value", work.bodies),
)
AFTERNOON = Contender(
    "an afternoon's Python",
    lambda work, group, _: [*_program("afternoon", work, WRITTEN, group), work.road.environment["DAYMARK_REDIS"]],
    lambda work: (work.road.topics.prefix + WRITTEN, "key", work.contacts),
)


def quix(python: list[str]) -> Contender:
    """Return Quix Streams, run by a Python that has it."""
    return _stateful("Quix Streams", [*python, str(_PROGRAMS / "quix.py")])


def streams(java: list[str]) -> Contender:
    """Return Kafka Streams with two threads, run by a Java that has it."""
    return _stateful("Kafka Streams, 2 threads", java)


def compiled(program: list[str]) -> Contender:
    """Return Go with franz-go, which keeps its claims in Redis as a worker does."""

    def command(work: Work, group: str, _: str) -> list[str]:
        topics, store = work.road.topics, work.road.environment["DAYMARK_REDIS"]
        return [*program, "worker", work.road.kafka, topics.events, topics.prefix + WRITTEN, group, store]

    return Contender("Go, franz-go", command, AFTERNOON.result)


def take(ground: Ground, work: Work, contender: Contender) -> Run:
    """Let a contender take all of the work, and look at what it made of it.

    Raises:
        Wrong: its outcome is not right.
    """
    group = f"{work.road.topics.prefix}{secrets.token_hex(4)}"
    topic, part, expected = contender.result(work)
    ground.empty_store()
    held = ground.store_bytes()
    rejected = work.road.topics.rejected if contender.result is _of_daymark else None
    before = _ends(ground, topic, work.partitions)
    refused = _ends(ground, rejected, work.partitions) if rejected else []
    environment = work.road.environment | {
        "DAYMARK_GROUP": group,
        "DAYMARK_SLOT": group,
        "DAYMARK_CLAIM_KEY": secrets.token_hex(16),
    }
    with folder() as state:
        process = Process(contender.command(work, group, state), environment)
        try:
            run = _measured(process, ground, work, group, contender.processes)
        finally:
            process.end()
    found = Multiset.of(_committed(ground, topic, before, part))
    if found != expected:
        rest = f"{expected.members:,}" if found.members != expected.members else "others"
        raise Wrong(f"{contender.name}, {work.case}: {found.members:,} results are committed, it should be {rest}")
    if rejected and len(list(_committed(ground, rejected, refused, "key"))) != work.refused:
        raise Wrong(f"{contender.name}, {work.case}: it should be {work.refused:,} rejections")
    return run._replace(store_bytes=max(0, ground.store_bytes() - held) / work.interactions.members)


def _stateful(name: str, program: list[str]) -> Contender:
    """Return one that keeps its own state, in a folder and a topic."""

    def command(work: Work, group: str, state: str) -> list[str]:
        prefix = work.road.topics.prefix
        return [*program, work.road.kafka, work.road.topics.events, prefix + WRITTEN, group, state]

    return Contender(name, command, AFTERNOON.result)


def _program(name: str, work: Work, target: str, group: str) -> list[str]:
    topics = work.road.topics
    module = f"tests.bench.programs.{name}"
    return [sys.executable, "-m", module, work.road.kafka, topics.events, topics.prefix + target, group]


def _measured(process: Process, ground: Ground, work: Work, group: str, processes: int) -> Run:
    process.wait_for("(?ms)" + ".*".join([f"(?:{_ASSIGNED})"] * processes))
    pids = {"own": process.pid, **ground.pids}
    consumer = Consumer({"bootstrap.servers": ground.kafka, "group.id": group})
    places = [TopicPartition(work.road.topics.events, partition) for partition in range(work.partitions)]
    done = 0

    def moment() -> _Moment:
        return _Moment(time.monotonic(), done, {name: cpu_s(pid) for name, pid in pids.items()})

    def has_done(events: float) -> bool:
        nonlocal done
        if process.status is not None:
            raise Wrong(f"it ended with {process.status}: {process.said[-2000:]}")
        done = sum(max(place.offset, 0) for place in consumer.committed(places, _ANSWER_S))
        return done >= events

    try:
        moments = []
        for share in (0.0, 0.5, 1.0):
            wait_until(partial(has_done, work.events * share), f"{share:.0%} are committed", _RUN_S, _POLL_S)
            moments.append(moment())
        peak = peak_mb(process.pid)
    finally:
        consumer.close()
    first, half, last = moments
    half_rate, half_cpu_us = last.since(half if half.done < last.done else first)
    return Run(*last.since(first), half_rate, half_cpu_us["own"], peak, first.done / work.events)


def _ends(ground: Ground, topic: str, partitions: int) -> list[TopicPartition]:
    consumer = Consumer({"bootstrap.servers": ground.kafka, "group.id": "none"})
    ends: list[TopicPartition] = []

    def is_told() -> bool:
        for number in range(len(ends), partitions):
            try:
                end = consumer.get_watermark_offsets(TopicPartition(topic, number), _ANSWER_S)[1]
            except KafkaException:  # a topic that was made just now may have no leader yet
                return False
            ends.append(TopicPartition(topic, number, end))
        return True

    try:
        wait_until(is_told, f"{topic} has leaders")
    finally:
        consumer.close()
    return ends


def _committed(ground: Ground, topic: str, since: list[TopicPartition], part: str) -> Iterator[bytes]:
    """Yield keys or values of what a reader of committed records finds from some offsets on."""
    consumer = Consumer(
        {
            "bootstrap.servers": ground.kafka,
            "group.id": "none",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.queue.backoff.ms": 20,
        }
    )
    try:
        consumer.assign(since)
        unfinished, deadline = {place.partition for place in since}, time.monotonic() + _RUN_S
        while unfinished:
            if time.monotonic() > deadline:
                raise Wrong(f"{topic} could not be read to its end")
            for message in consumer.consume(10_000, 0.2):
                if message.error():
                    unfinished.discard(message.partition())
                else:
                    yield bytes((message.key() if part == "key" else message.value()) or b"")
    finally:
        consumer.close()
