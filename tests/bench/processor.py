"""PART=processor: the same events for a worker, a pass-through and what a user would pick instead.

Each is judged by the second half of its run, when who needs to be is warm.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from tests.bench import base, environment, ground
from tests.bench.contenders import (
    AFTERNOON,
    PASS_THROUGH,
    PASSED,
    WRITTEN,
    Contender,
    Run,
    compiled,
    quix,
    streams,
    take,
    worker,
)
from tests.bench.figures import Row, ratios
from tests.bench.load import Shape, Work, send
from tests.bench.mixed import Mix
from tests.bench.options import Options

PART = "processor"
PARTITIONS = 12
_FIRSTS, _DAYS = 0.3, 10  # events that are the first of their contact's day, as a share; days, one after the other
_DEEP = 5_000_000  # events
_OWN, _MIXED = "our own load", "mixed load"
_PROPERTY = "mixed load, a property each"
_LISTED, _UNLISTED = f"{_PROPERTY}, nothing unlisted", f"{_PROPERTY}, an unlisted object in each context"


class _Case(NamedTuple):
    """What is taken by whom. Of a case without a pass-through the one with a property each is what it is put beside."""

    name: str
    load: Shape | Mix
    contenders: Sequence[Contender]


def run(options: Options) -> list[Row]:
    """Measure, run by run in turn."""
    runs: dict[tuple[str, str], list[Run]] = {}
    with ExitStack() as stack:
        daymarks = stack.enter_context(base.unpacked(options.base))
        workers = [worker(1, command, named) for named, command in daymarks.items()]
        cases = _cases(options, workers)
        here = stack.enter_context(ground.opened())
        works: list[tuple[Work, Sequence[Contender]]] = []
        for case in cases:
            options.say(f"{PART}: sending {case.load.events:,} events, {case.name}")
            road = here.road(f"p{len(works)}", PARTITIONS, (PASSED, WRITTEN))
            works.append((send(case.name, road, PARTITIONS, case.load), case.contenders))
        options.say(f"{PART}: warming up")
        take(here, works[0][0], PASS_THROUGH)
        for number in range(1 if options.deep else options.runs):
            for work, contenders in works:
                for contender in contenders:
                    options.say(f"{PART}: run {number + 1} of {options.runs}, {work.case}: {contender.name}")
                    runs.setdefault((work.case, contender.name), []).append(take(here, work, contender))
    return list(_rows(runs))


def _cases(options: Options, workers: Sequence[Contender]) -> list[_Case]:
    events = _DEEP if options.deep else options.events
    java, go = environment.streams(options), environment.compiled(options)
    python = environment.quix(options) if options.deep else None  # the slowest by far
    rivals = [*([streams(java)] if java else []), *([compiled(go)] if go else [])]
    others = [AFTERNOON, *([quix(python)] if python else [])]
    shape = Shape(events, round(events * _FIRSTS / _DAYS), _DAYS)
    mix = options.mix(events)
    cases = [
        _Case(_OWN, shape, [PASS_THROUGH, *workers, *rivals, *others]),
        _Case(_MIXED, mix, [PASS_THROUGH, *workers, *rivals]),
    ]
    if not options.deep:
        computed = mix._replace(computed=True)
        cases += [
            _Case(_PROPERTY, computed, [PASS_THROUGH, *workers, *rivals]),
            _Case(_LISTED, computed._replace(unlisted=0), workers),
            _Case(_UNLISTED, computed._replace(unlisted=1, context=True), workers),
        ]
    return cases


def _rows(runs: dict[tuple[str, str], list[Run]]) -> Iterator[Row]:
    for case in dict.fromkeys(case for case, _ in runs):
        of = {name: taken for (its, name), taken in runs.items() if its == case}
        for name, taken in of.items():
            yield from _rows_of(name, case, taken)
        passed = of.get(PASS_THROUGH.name) or runs[_PROPERTY, PASS_THROUGH.name]
        own = {name: [run.half_cpu_us for run in taken] for name, taken in ({PASS_THROUGH.name: passed} | of).items()}
        yield from ratios(PART, case, own, PASS_THROUGH.name, "beside pass-through")


def _rows_of(contender: str, case: str, runs: Sequence[Run]) -> Iterator[Row]:
    def row(measure: str, unit: str, values: Iterator[float]) -> Row:
        return Row(PART, contender, measure, unit, tuple(values), case)

    yield row("own CPU, warm half", "µs an event", (run.half_cpu_us for run in runs))
    yield row("the whole run", "µs an event", (run.cpu_us["own"] for run in runs))
    for whose in ("broker", "store"):
        if whose in runs[0].cpu_us:
            yield row(f"{whose}'s", "µs an event", (run.cpu_us[whose] for run in runs))
    yield row("rate, warm half", "events/s", (run.half_events_per_s for run in runs))
    yield row("memory", "MB", (run.peak_mb for run in runs))
