"""PART=disk: the bytes that a record takes in Kafka's log, topic by topic, and a property's clock in the store.

Sizes of one replica, as its segments lie on the disk. What compression saves depends on how many records share a batch,
so events come through ingest, singly and in batches. It needs its own Kafka and Valkey.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.bench import ground
from tests.bench.contenders import take, worker
from tests.bench.figures import Row
from tests.bench.ground import WORKSPACE, Ground
from tests.bench.ingest import ACCEPTED, BATCH, TAKEN, batches, singles
from tests.bench.ingest_client import Client, Load
from tests.bench.load import Shape, send
from tests.bench.mixed import calls
from tests.bench.options import Options
from tests.bench.start import ingest

PART: Final = "disk"
SINGLY, BATCHED = "events, sent singly", f"events, sent in batches of {BATCH}"
_PARTITIONS, _DISTINCT, _CONTACTS, _SECONDS = 12, 20_000, 30_000, 3.0


def run(options: Options) -> list[Row]:
    """Measure each once: sizes differ little from run to run."""
    with ground.opened() as here:
        if here.logs is None:
            raise ValueError("sizes are read in the folder of the embedded Kafka: unset DAYMARK_TEST_KAFKA")
        return [*_events(here, here.logs, options), *_results(here, here.logs, options), *_clocks(here, options)]


def _events(here: Ground, logs: Path, options: Options) -> Iterator[Row]:
    mix = options.mix(_DISTINCT)._replace(broken=0, computed=True)
    bodies, seconds = [event.body for event in calls(mix)], min(_SECONDS, options.seconds)
    yield _row("events, their JSON", [sum(map(len, bodies)) / len(bodies)])
    loads = {
        SINGLY: (Load(singles(bodies, WORKSPACE), *ACCEPTED, 256, seconds), 1),
        BATCHED: (Load(batches(bodies, WORKSPACE), *TAKEN, 32, seconds), BATCH),
    }
    for number, (case, (load, events)) in enumerate(loads.items()):
        options.say(f"{PART}: {case}")
        road = here.road(f"d{number}", _PARTITIONS)
        with ExitStack() as stack:
            server = ingest(stack, road)
            server.wait_for(r"kafka\.reached")
            host, _, port = road.environment["DAYMARK_HTTP"].rpartition(":")
            answers = Client(stack).drive((host, int(port)), load).answers
        yield _row(case, [_bytes(logs, road.topics.events) / (answers * events)])


def _results(here: Ground, logs: Path, options: Options) -> Iterator[Row]:
    """Take a mixed load with a property each; batches are as large as those of a worker with a backlog."""
    mix = options.mix(options.events)._replace(computed=True)
    road = here.road("d", _PARTITIONS)
    options.say(f"{PART}: a worker's results")
    take(here, send("mixed", road, _PARTITIONS, mix), worker())
    for name, topic in (
        ("interactions", road.topics.interactions),
        ("properties", road.topics.traits),
        ("rejections", road.topics.rejected),
    ):
        yield _row(name, [_bytes(logs, topic) / len(road.committed(topic))])


def _clocks(here: Ground, options: Options) -> Iterator[Row]:
    """Compare what the store holds with a property of each contact, and without."""
    held = []
    for computed in (False, True):
        options.say(f"{PART}: the store, {_CONTACTS:,} contacts {'with' if computed else 'without'} a property")
        shape = Shape(_CONTACTS, _CONTACTS, computed=computed)
        work = send("clocks", here.road(f"d-{computed}".lower(), _PARTITIONS), _PARTITIONS, shape)
        held.append(take(here, work, worker()).store_bytes)
    yield _row("the store, a property's clock", [held[1] - held[0]])


def _row(name: str, values: Sequence[float]) -> Row:
    return Row(PART, name, "size", "bytes each", tuple(values))


def _bytes(logs: Path, topic: str) -> int:
    """Return the size of a topic's segments, without their indexes, which Kafka allocates in advance."""
    return sum(file.stat().st_size for file in logs.glob(f"{topic}-*/*.log"))
