"""PART=start: from exec to the first committed batch of a topic that waits, and what is taken at rest."""

import secrets
import time
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from daymark.local import ports
from schemas.workspace import digest
from tests.bench import ground
from tests.bench.figures import Row
from tests.bench.ground import Ground
from tests.bench.load import Shape, calls
from tests.bench.measuring import cpu_s, peak_mb
from tests.bench.options import Options
from tests.flows import Process, Road, wait_until

PART = "start"
PARTITIONS = 12
_EVENTS = 5000
_RUNS = 2  # times as many as of other parts: they are short
_SETTLE_S, _START_S, _POLL_S, _ANSWER_S = 3.0, 60.0, 0.01, 5.0


def run(options: Options) -> list[Row]:
    """Start workers, then let a worker and an ingest rest side by side."""
    with ground.opened() as here:
        road = here.road("s", PARTITIONS)
        road.send(calls(Shape(_EVENTS, _EVENTS)), ground.WORKSPACE)
        seconds = []
        for number in range(options.runs * _RUNS):
            options.say(f"{PART}: start {number + 1} of {options.runs * _RUNS}")
            seconds.append(_start_s(here, road))
        return [Row(PART, "worker", "exec to first commit", "s", tuple(seconds)), *_rest(road, options)]


def _start_s(here: Ground, road: Road) -> float:
    group = f"{road.topics.prefix}{secrets.token_hex(4)}"
    consumer = Consumer({"bootstrap.servers": here.kafka, "group.id": group})
    places = [TopicPartition(road.topics.events, partition) for partition in range(PARTITIONS)]

    def has_committed() -> bool:
        try:
            return any(place.offset > 0 for place in consumer.committed(places, _ANSWER_S))
        except KafkaException:  # the group is not there yet
            return False

    has_committed()  # connects
    began = time.monotonic()
    process = road.start("process", DAYMARK_GROUP=group, DAYMARK_SLOT=group, DAYMARK_CLAIM_KEY=secrets.token_hex(16))
    try:
        wait_until(has_committed, "a worker commits", _START_S, _POLL_S)
        return time.monotonic() - began
    finally:
        process.end()
        consumer.close()


def _rest(road: Road, options: Options) -> list[Row]:
    with ExitStack() as stack:
        idle: dict[str, Process] = {"worker": road.start("process"), "ingest": ingest(stack, road)}
        stack.callback(idle["worker"].end)
        idle["worker"].wait_for(r"partitions\.assigned")
        time.sleep(_SETTLE_S)  # what waits in the topic is taken meanwhile
        wait_until(lambda: road.lag() == 0, "nothing is left to do", _START_S)
        options.say(f"{PART}: a worker and an ingest rest for {2 * options.seconds:.0f} s")
        time.sleep(_SETTLE_S)
        before = {name: cpu_s(process.pid) for name, process in idle.items()}
        time.sleep(2 * options.seconds)
        return [
            row
            for name, process in idle.items()
            for row in (
                Row(
                    PART, name, "at rest", "% of a core", ((cpu_s(process.pid) - before[name]) / options.seconds * 50,)
                ),
                Row(PART, name, "memory", "MB", (peak_mb(process.pid),)),
            )
        ]


def ingest(stack: ExitStack, road: Road, *workspaces: str) -> Process:
    """Start an ingest of the road on `road.environment["DAYMARK_HTTP"]`; the key of a workspace is its name.

    Args:
        stack: ends it.
        road: its topics.
        workspaces: lines of TOML that follow the keys of each workspace, by `name` or `name: lines`.
    """
    tables = [part.partition(":") for part in workspaces or (ground.WORKSPACE,)]
    file = Path(stack.enter_context(ground.folder())) / "workspaces.toml"
    file.write_text(
        "".join(
            f'[workspaces.{name}]\nkeys = ["sha256:{digest(name).hex()}"]\n{lines.strip()}\n'
            for name, _, lines in tables
        )
    )
    road.environment["DAYMARK_HTTP"] = f"{ports.LOOPBACK}:{ports.choose()}"
    process = road.start("ingest", DAYMARK_WORKSPACES=str(file))
    stack.callback(process.end)
    process.wait_for(r"ingest\.started")
    return process
