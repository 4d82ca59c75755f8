"""What the pure path of an event costs beside a loop that never changes.

`make bench-guard` notes it, for the version of Python that runs it; a test watches it.

The path is the whole of a worker's plan but for I/O, on the mixed load: decode, normalise, day, keys, decide, encode.
The loop does work of the same kinds (typed JSON, two hashes, a dict, text) on bodies of our own load, so that their
ratio is the same on a faster machine. Both are timed in turn, in many short rounds, as CPU time of this thread, and the
least of each counts: what other processes take of the machine only ever adds.
"""

import gc
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from processor.breaker import Breaker
from processor.claims import day_key
from processor.decide import ContactDay
from processor.outputs import ROOM_BYTES, Codecs
from processor.plan import Planner
from processor.ports import Claimed
from processor.records import Batch, Record
from processor.traits import Clock, Property
from schemas import avro
from schemas.topics import Topics
from schemas.workspace import Workspaces
from tests.bench import load, mixed
from tests.bench.ground import WORKSPACE
from tests.bench.load import Shape
from tests.bench.mixed import Mix

NOTED: Final = Path(__file__).with_name("results") / "guard.json"
_PYTHON: Final = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"  # has its own costs
_EVENTS = 1000
_MIX = Mix(_EVENTS, days=1)  # half of the repeats are met in their own batch, half in the next
_ROUNDS = 60
_PARTITIONS = 12
_SECRET = b"guard" * 6


class _Traits(msgspec.Struct):
    email: str = ""


class _Event(msgspec.Struct):
    timestamp: str
    traits: _Traits


class _Claims:
    """Keys are made, and every claim succeeds."""

    def claim(self, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        for contact_day in owners:
            day_key(_SECRET, contact_day)
        return Claimed([None] * len(owners), [None] * len(clocks))


def measured(rounds: int = _ROUNDS) -> tuple[float, float]:
    """Return the CPU µs of an event: on the pure path, and in the loop."""
    path = _path([event.body for event in mixed.calls(_MIX)])
    loop = _loop([body for _, body in load.calls(Shape(_EVENTS, _MIX.contacts))])
    path(), loop()  # caches are filled
    collecting = gc.isenabled()
    gc.disable()  # a worker hardly ever collects
    try:
        pairs = [(_taken_ns(path), _taken_ns(loop)) for _ in range(rounds)]
    finally:
        if collecting:
            gc.enable()
    return min(one for one, _ in pairs) / _EVENTS / 1e3, min(other for _, other in pairs) / _EVENTS / 1e3


def noted() -> float | None:
    """Return how many times the loop's CPU the path took when that was last noted, None for a Python without a note."""
    found = _notes().get(_PYTHON)
    return None if found is None else float(found["times"])


def _notes() -> dict[str, dict[str, float]]:
    return dict(json.loads(NOTED.read_text())) if NOTED.exists() else {}


def _path(bodies: Sequence[bytes]) -> Callable[[], None]:
    records = [
        Record(number % _PARTITIONS, number, None, body, WORKSPACE, 1_714_738_000_000, 1_714_738_000_000)
        for number, body in enumerate(bodies)
    ]
    first, second = (Batch(half, None, b"mark") for half in (records[: _EVENTS // 2], records[_EVENTS // 2 :]))
    planner = Planner(
        _Claims(),
        workspaces=Workspaces,
        topics=Topics(),
        codecs=Codecs(avro.INTERACTION, avro.TRAIT, avro.REJECTED),
        breaker=Breaker(50, 10_000),
    )

    def run() -> None:
        planner.begin(ROOM_BYTES)
        plans = []
        for batch in (first, second):
            plan = planner.plan(batch)
            planner.committed(plan)
            plans.append(plan)
        emitted, duplicate = (sum(plan.results.get(name, 0) for plan in plans) for name in ("emitted", "duplicate"))
        assert (emitted, duplicate) == (_MIX.contacts, _EVENTS * (1 - _MIX.broken) - _MIX.contacts), plans

    return run


def _loop(bodies: Sequence[bytes]) -> Callable[[], None]:
    decoder = msgspec.json.Decoder(_Event)

    def run() -> None:
        firsts: dict[bytes, tuple[str, str]] = {}
        for body in bodies:
            event = decoder.decode(body)
            text = f"{event.traits.email.lower()}\n{event.timestamp[:10]}"
            key = hashlib.blake2b(text.encode(), digest_size=16, key=_SECRET).digest()
            if key not in firsts:
                firsts[key] = (text, hashlib.sha1(key, usedforsecurity=False).hexdigest())

    return run


def _taken_ns(run: Callable[[], None]) -> int:
    began = time.thread_time_ns()
    run()
    return time.thread_time_ns() - began


def main() -> None:
    """Print what is measured; with `--note` keep it as what the test compares with."""
    path, loop = (min(taken) for taken in zip(*(measured() for _ in range(5)), strict=True))
    found = {"times": round(path / loop, 3), "path_us": round(path, 2), "loop_us": round(loop, 2)}
    sys.stdout.write(json.dumps(found) + "\n")
    if "--note" in sys.argv[1:]:
        NOTED.parent.mkdir(exist_ok=True)
        NOTED.write_text(json.dumps(_notes() | {_PYTHON: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
