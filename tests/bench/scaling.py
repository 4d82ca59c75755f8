"""PART=scaling: the mixed load for one worker, two and four, on the cores that broker and store use, too.

First a topic that waits for them: their rate, and their efficiency, which is that rate beside as many times one's. Then
the whole road, at half of what it can do with so many workers: how long it takes from the 200 to the commit.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import starmap

from tests.bench import ground, latency
from tests.bench.caller import percentile
from tests.bench.contenders import Run, take, worker
from tests.bench.figures import Row, ratios
from tests.bench.latency import Taken
from tests.bench.load import send
from tests.bench.options import Options
from tests.flows import DAYMARK

PART = "scaling"
PARTITIONS = 12
_WORKERS = (1, 2, 4)
_CASE = "mixed load"
_ABLE, _HALF = "the whole road", "the whole road, at half of that rate"

# So long a group waits for more members before it shares out partitions: workers begin together.
_TOGETHER_MS = "1000"
_MISSED = 0.2
_LATE = "{}: {:.0%} was done before all had begun; the broker's group.initial.rebalance.delay.ms is short"


def run(options: Options) -> list[Row]:
    """Measure, run by run in turn."""
    return [*_rows(_waiting(options)), *_road_rows(_road(options))]


def _waiting(options: Options) -> dict[str, list[Run]]:
    contenders = [worker(processes) for processes in _WORKERS]
    runs: dict[str, list[Run]] = {}
    with ground.opened(group_initial_rebalance_delay_ms=_TOGETHER_MS) as here:
        options.say(f"{PART}: sending {options.events:,} events")
        work = send(_CASE, here.road("n", PARTITIONS), PARTITIONS, options.mix(options.events))
        options.say(f"{PART}: warming up")
        take(here, work, contenders[0])
        for number in range(options.runs):
            for contender in contenders:
                options.say(f"{PART}: run {number + 1} of {options.runs}, {contender.name}")
                taken = take(here, work, contender)
                runs.setdefault(contender.name, []).append(taken)
                if taken.missed > _MISSED:
                    options.note(_LATE.format(contender.name, taken.missed))
    return runs


def _road(options: Options) -> dict[str, list[tuple[Taken, Taken]]]:
    """Return for each number of workers what the road can do, and how it does at half of that, run by run."""
    taken: dict[str, list[tuple[Taken, Taken]]] = {}
    with ground.opened(group_initial_rebalance_delay_ms=_TOGETHER_MS) as here:
        for processes in _WORKERS:  # one road at a time: workers that rest take CPU time, too
            name = worker(processes).name
            with ExitStack() as stack:
                way = latency.way_of(stack, here, "", DAYMARK, options, workers=processes)
                for number in range(options.runs):
                    options.say(f"{PART}: run {number + 1} of {options.runs}, the whole road, {name}")
                    able = latency.capacity(way, options.events // 2)
                    half = latency.steady(way, able.rate / 2, options.seconds, latency.BATCH)
                    taken.setdefault(name, []).append((able, half))
    return taken


def _rows(runs: dict[str, list[Run]]) -> Iterator[Row]:
    for name, taken in runs.items():
        yield Row(PART, name, "rate", "events/s", tuple(run.events_per_s for run in taken), _CASE)
        yield Row(PART, name, "own CPU", "µs an event", tuple(run.cpu_us["own"] for run in taken), _CASE)
        yield Row(PART, name, "memory", "MB", tuple(run.peak_mb for run in taken), _CASE)
    rates = {name: [run.events_per_s for run in taken] for name, taken in runs.items()}
    beside = ratios(PART, _CASE, rates, "worker", "rate beside one")
    yield from beside
    yield from starmap(_efficiency, zip(beside, _WORKERS[1:], strict=True))
    spent = {name: [run.cpu_us["own"] for run in taken] for name, taken in runs.items()}
    yield from ratios(PART, _CASE, spent, "worker", "CPU beside one")


def _efficiency(beside: Row, processes: int) -> Row:
    return beside._replace(
        measure="efficiency", unit="%", values=tuple(value / processes * 100 for value in beside.values)
    )


def _road_rows(taken: dict[str, list[tuple[Taken, Taken]]]) -> Iterator[Row]:
    for name, runs in taken.items():
        yield Row(PART, name, "rate", "events/s", tuple(able.rate for able, _ in runs), _ABLE)
    for name, runs in taken.items():
        yield Row(PART, name, "rate", "events/s", tuple(half.rate for _, half in runs), _HALF)
        for word, percent in (("p50", 50.0), ("p99", 99.0)):
            times = tuple(percentile(half.committed_ms, percent) for _, half in runs)
            yield Row(PART, name, f"200 to commit, {word}", "ms", times, _HALF)
