"""The targets on the mixed load beside what was measured: of this state of Daymark, and of `BASE` if it was given."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from tests.bench.figures import Row, Spread

TITLE: Final = "target, mixed load"
_LOAD = "mixed load"
_PROPERTY = f"{_LOAD}, a property each"
_OURS = ("worker", "ingest", "ingest and worker")  # a base's have " of " and its name behind theirs
_ABLE = "capacity, in batches of 100"
_HALF = "half of capacity, in batches of 100"

Values = tuple[float, ...] | None
Find = Callable[[str, str, str, str], Values]  # part, contender, measure, case


class Target(NamedTuple):
    """What is measured, what is wanted of it, and how it is found, given what follows the names of a Daymark."""

    text: str
    wanted: str
    found: Callable[[Find, str], Values]


def _plain(part: str, contender: str, measure: str, case: str) -> Callable[[Find, str], Values]:
    return lambda find, named: find(part, contender + named, measure, case)


def _quotient(one: Values, other: Values) -> Values:
    if one is None or other is None:
        return None
    return tuple(mine / its for mine, its in zip(one, other, strict=True))


def _cpu_us(find: Find, contender: str, case: str) -> Values:
    return find("processor", contender, "own CPU, warm half", case)


TARGETS: Final = (
    Target(
        "worker, no property, own CPU beside pass-through, times",
        "at most 2.2",
        _plain("processor", "worker", "beside pass-through", _LOAD),
    ),
    Target(
        "worker, a property each, own CPU beside pass-through, times",
        "at most 3.2",
        _plain("processor", "worker", "beside pass-through", _PROPERTY),
    ),
    Target(
        "worker, an unlisted object in each event beside none, times",
        "at most 1.1",
        lambda find, named: _quotient(
            _cpu_us(find, f"worker{named}", f"{_PROPERTY}, an unlisted object in each context"),
            _cpu_us(find, f"worker{named}", f"{_PROPERTY}, nothing unlisted"),
        ),
    ),
    Target(
        "worker beside Kafka Streams' warm half, own CPU, times",
        "at most 0.7",
        lambda find, named: _quotient(
            _cpu_us(find, f"worker{named}", _LOAD), _cpu_us(find, "Kafka Streams, 2 threads", _LOAD)
        ),
    ),
    Target(
        "memory of a worker, a property each, MB",
        "at most 200",
        _plain("processor", "worker", "memory", _PROPERTY),
    ),
    Target(
        "ingest, one event, 256 connections, CPU beside a constant answer, times",
        "at most 1.6",
        _plain("ingest", "ingest", "CPU beside a constant answer", "one event, 256 connections"),
    ),
    Target(
        "ingest, batches, CPU beside Go with franz-go, times",
        "at most 0.6",
        _plain("ingest", "ingest", "CPU beside Go, franz-go", "batches of 100, an event"),
    ),
    Target(
        "the whole road, events/s",
        "at least 2.2 times the base",
        _plain("latency", "ingest and worker", "rate", _ABLE),
    ),
    Target(
        "the whole road at half of capacity, p99 from the 200 to the commit, ms",
        "under 100",
        _plain("latency", "ingest and worker", "200 to commit, p99", _HALF),
    ),
)


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]] | None:
    """Return the head and the lines of the table of targets; None where nothing of it was measured."""
    values = {(row.part, row.contender, row.measure, row.case): row.values for row in rows}

    def find(part: str, contender: str, measure: str, case: str) -> Values:
        return values.get((part, contender, measure, case))

    ours = (row.contender.partition(" of ") for row in rows)
    bases = sorted({base for name, _, base in ours if base and name in _OURS})
    named = [*(f" of {base}" for base in bases), ""]
    lines = [
        [target.text, *(_written(target.found(find, of)) for of in named), target.wanted]
        for target in TARGETS
        if target.found(find, "") is not None
    ]
    return ([TITLE, *bases, "now", "wanted"], lines) if lines else None


def _written(found: Values) -> str:
    return "" if found is None else str(Spread.of(found))
