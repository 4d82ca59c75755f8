"""PART=growth: what an event costs a worker with more contacts, more repeats, more or fewer partitions.

Of contacts every event is the first of its contact's day, on as many days as make enough events; of repeats and of
partitions the contacts come as often as is said. The memory of a claim in the store is reported with each.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.bench import ground
from tests.bench.contenders import Run, take, worker
from tests.bench.figures import Row
from tests.bench.load import Shape, Work, send
from tests.bench.options import Options

PART = "growth"
_EVENTS = 100_000  # at least, of a run
_CONTACTS, _DEEP = (10_000, 100_000, 1_000_000), 10_000_000
_REPEATS = (0, 50, 95)  # percent
_PARTITIONS = (1, 12, 64)
_USUAL = 12


class _Case(NamedTuple):
    name: str
    partitions: int
    shape: Shape


def run(options: Options) -> list[Row]:
    """Measure, run by run in turn; of ten million contacts once."""
    runs: dict[str, list[Run]] = {}
    with ground.opened() as here:
        works: list[Work] = []
        for case in _cases(options):
            options.say(f"{PART}: sending {case.shape.events:,} events, {case.name}")
            road = here.road(f"g{len(works)}", case.partitions)
            works.append(send(case.name, road, case.partitions, case.shape))
        take(here, works[0], worker())  # the broker is warm from here on
        for number in range(options.runs):
            for work in works:
                if number == 0 or work.interactions.members < _DEEP:
                    options.say(f"{PART}: run {number + 1} of {options.runs}, {work.case}")
                    runs.setdefault(work.case, []).append(take(here, work, worker()))
    return list(_rows(runs))


def _cases(options: Options) -> Iterator[_Case]:
    events = min(_EVENTS, options.events)
    contacts = [most for most in _CONTACTS if most <= options.events * 4] + [_DEEP] * options.deep
    for most in contacts:
        days = max(1, round(events / most))
        yield _Case(f"{most:,} contacts", _USUAL, Shape(most * days, most, days))
    for percent in _REPEATS:
        yield _Case(f"{percent} % repeats", _USUAL, Shape(events, round(events * (100 - percent) / 100)))
    for partitions in _PARTITIONS:
        name = f"{partitions} partition{'s' * (partitions > 1)}, 70 % repeats"
        yield _Case(name, partitions, Shape(events, round(events * 0.3)))


def _rows(runs: dict[str, list[Run]]) -> Iterator[Row]:
    for case, taken in runs.items():
        yield Row(PART, "worker", "own CPU", "µs an event", tuple(run.cpu_us["own"] for run in taken), case)
        yield Row(PART, "worker", "memory", "MB", tuple(run.peak_mb for run in taken), case)
        yield Row(PART, "worker", "of the store", "bytes a claim", tuple(run.store_bytes for run in taken), case)
