"""PART=scaling: the mixed load for one worker, two and four, on the cores that broker and store use, too."""

from collections.abc import Iterator

from tests.bench import ground
from tests.bench.contenders import Run, take, worker
from tests.bench.figures import Row, ratios
from tests.bench.load import send
from tests.bench.options import Options

PART = "scaling"
PARTITIONS = 12
_WORKERS = (1, 2, 4)
_CASE = "mixed load"

# So long a group waits for more members before it shares out partitions: workers begin together.
_TOGETHER_MS = "1000"
_MISSED = 0.2
_LATE = "{}: {:.0%} was done before all had begun; the broker's group.initial.rebalance.delay.ms is short"


def run(options: Options) -> list[Row]:
    """Measure, run by run in turn."""
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
    return list(_rows(runs))


def _rows(runs: dict[str, list[Run]]) -> Iterator[Row]:
    for name, taken in runs.items():
        yield Row(PART, name, "rate", "events/s", tuple(run.events_per_s for run in taken), _CASE)
        yield Row(PART, name, "own CPU", "µs an event", tuple(run.cpu_us["own"] for run in taken), _CASE)
        yield Row(PART, name, "memory", "MB", tuple(run.peak_mb for run in taken), _CASE)
    rates = {name: [run.events_per_s for run in taken] for name, taken in runs.items()}
    yield from ratios(PART, _CASE, rates, "worker", "rate beside one")
    spent = {name: [run.cpu_us["own"] for run in taken] for name, taken in runs.items()}
    yield from ratios(PART, _CASE, spent, "worker", "CPU beside one")
