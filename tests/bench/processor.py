"""PART=processor: the same events for a worker, two workers, a pass-through and what a user would pick instead."""

from collections.abc import Iterator, Sequence

from tests.bench import environment, ground
from tests.bench.contenders import AFTERNOON, PASS_THROUGH, PASSED, WRITTEN, Contender, Run, quix, streams, take, worker
from tests.bench.figures import Row, ratios
from tests.bench.load import Shape, Work, send
from tests.bench.options import Options

PART = "processor"
PARTITIONS = 12
_FIRSTS, _DAYS = 0.3, 10  # events that are the first of their contact's day, as a share; days, one after the other
_MIXED, _PROPERTY, _ALL = "30 % firsts", "30 % firsts, a property an event", "all firsts"

# So long a group waits for more members before it shares out partitions: two workers begin together.
_TOGETHER_MS = "1000"
_MISSED = 0.2
_LATE = "{}: {:.0%} was done before all had begun; the broker's group.initial.rebalance.delay.ms is short"


def run(options: Options) -> list[Row]:
    """Measure, run by run in turn."""
    others = _others(options)
    some = options.events // 2  # where every event costs more
    mixed, some_mixed = (Shape(events, round(events * _FIRSTS / _DAYS), _DAYS) for events in (options.events, some))
    with ground.opened(group_initial_rebalance_delay_ms=_TOGETHER_MS) as here:
        plans: list[tuple[str, Shape, list[Contender]]] = [
            (_MIXED, mixed, [PASS_THROUGH, worker(), worker(2), AFTERNOON, *others]),
            (_PROPERTY, some_mixed._replace(computed=True), [worker()]),
            (_ALL, Shape(some, some), [PASS_THROUGH, worker(), AFTERNOON]),
        ]
        works: list[tuple[Work, list[Contender]]] = []
        for case, shape, contenders in plans:
            options.say(f"{PART}: sending {shape.events:,} events, {case}")
            road = here.road(f"p{len(works)}", PARTITIONS, (PASSED, WRITTEN))
            works.append((send(case, road, PARTITIONS, shape), contenders))
        options.say(f"{PART}: warming up")
        take(here, works[0][0], PASS_THROUGH)
        runs: dict[tuple[str, str], list[Run]] = {}
        for number in range(options.runs):
            for work, contenders in works:
                for contender in contenders:
                    options.say(f"{PART}: run {number + 1} of {options.runs}, {work.case}: {contender.name}")
                    taken = take(here, work, contender)
                    runs.setdefault((work.case, contender.name), []).append(taken)
                    if taken.missed > _MISSED:
                        options.note(_LATE.format(contender.name, taken.missed))
    return list(_rows(runs))


def _others(options: Options) -> list[Contender]:
    java, python = environment.streams(options), environment.quix(options)
    return ([streams(java)] if java else []) + ([quix(python)] if python else [])


def _rows(runs: dict[tuple[str, str], list[Run]]) -> Iterator[Row]:
    for case in dict.fromkeys(case for case, _ in runs):
        of = {name: taken for (its, name), taken in runs.items() if its == case}
        for name, taken in of.items():
            yield from _rows_of(name, case, taken)
        base = of.get(PASS_THROUGH.name) or runs[_MIXED, PASS_THROUGH.name]
        own = {name: [run.cpu_us["own"] for run in taken] for name, taken in of.items()}
        own[PASS_THROUGH.name] = [run.cpu_us["own"] for run in base]
        yield from ratios(PART, case, own, PASS_THROUGH.name, "beside pass-through")


def _rows_of(contender: str, case: str, runs: Sequence[Run]) -> Iterator[Row]:
    yield Row(PART, contender, "rate", "events/s", tuple(run.events_per_s for run in runs), case)
    for whose, name in (("own", "own CPU"), ("broker", "broker's"), ("store", "store's")):
        if whose in runs[0].cpu_us:
            yield Row(PART, contender, name, "µs an event", tuple(run.cpu_us[whose] for run in runs), case)
    yield Row(PART, contender, "memory", "MB", tuple(run.peak_mb for run in runs), case)
    if case == _MIXED:
        half = f"{case}, the second half of each run"
        yield Row(PART, contender, "rate", "events/s", tuple(run.half_events_per_s for run in runs), half)
        yield Row(PART, contender, "own CPU", "µs an event", tuple(run.half_cpu_us for run in runs), half)
