"""PART=latency: from the 200 to the committed interaction, at 100 events a second and at half of what the road can do.

The road is one ingest and one worker. What it can do is measured first: batches of 100, as fast as they are answered,
until all of them are committed. Events are sent as an open loop, those of a few a second singly, others in batches.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from schemas.interaction import interaction_id
from tests.bench import ground
from tests.bench.caller import OK, Answered, Line, flat_out, percentile, request, steadily
from tests.bench.contenders import Wrong
from tests.bench.figures import Row
from tests.bench.load import Shape, calls
from tests.bench.mixed import FIRST_DAY_NUMBER
from tests.bench.options import Options
from tests.bench.start import ingest
from tests.flows import Process, Road, wait_until

PART = "latency"
PARTITIONS = 12
_SLOW = 100.0  # events a second
_BATCH = 100
_CONNECTIONS = 8
_MOST = 10_000_000  # contacts that could be sent
_SETTLE_S = 60.0


class _Call(NamedTuple):
    """A request, and the ids of the interactions that it makes."""

    request: bytes
    ids: tuple[bytes, ...]


class _Taken(NamedTuple):
    """One run: events a second that were sent, times in ms from the 200 to the commit, and from due to the 200."""

    rate: float
    committed_ms: list[float]
    answered_ms: list[float]


class _Road(NamedTuple):
    """The road under test, and the events that are still to be sent over it."""

    road: Road
    line: Line
    events: Iterator[tuple[str, bytes]]


def run(options: Options) -> list[Row]:
    """Measure, run by run in turn."""
    with ground.opened() as here, ExitStack() as stack:
        road = here.road("l", PARTITIONS)
        ingest(stack, road)
        worker = road.start("process")
        stack.callback(worker.end)
        worker.wait_for(r"partitions\.assigned")
        host, _, port = road.environment["DAYMARK_HTTP"].partition(":")
        way = _Road(road, Line(host, int(port)), calls(Shape(_MOST, _MOST)))
        options.say(f"{PART}: warming up")
        _steady(way, _SLOW, 2.0, 1)
        able = []
        for number in range(options.runs):
            options.say(f"{PART}: what ingest and worker can do, run {number + 1} of {options.runs}")
            able.append(_capacity(way, options.events // 3))
        half = median(able) / 2
        rates = {f"{_SLOW:.0f} events/s, singly": (_SLOW, 1), "half of capacity, in batches of 100": (half, _BATCH)}
        taken: dict[str, list[_Taken]] = {}
        for number in range(options.runs):
            for case, (rate, batch) in rates.items():
                options.say(f"{PART}: {case} ({rate:,.0f}/s), run {number + 1} of {options.runs}")
                taken.setdefault(case, []).append(_steady(way, rate, options.seconds, batch))
    return [Row(PART, "", "rate", "events/s", tuple(able), "capacity, in batches of 100"), *_rows(taken)]


def _rows(taken: dict[str, list[_Taken]]) -> Iterator[Row]:
    for case, runs in taken.items():
        yield Row(PART, "", "rate", "events/s", tuple(run.rate for run in runs), case)
        for name, percent in (("p50", 50.0), ("p99", 99.0), ("most", 100.0)):
            times = tuple(percentile(run.committed_ms, percent) for run in runs)
            yield Row(PART, "", f"200 to commit, {name}", "ms", times, case)
        yield Row(PART, "", "due to 200, p99", "ms", tuple(percentile(run.answered_ms, 99) for run in runs), case)


def _capacity(way: _Road, events: int) -> float:
    made = _calls(way, events, _BATCH)
    began = time.monotonic()
    answered = asyncio.run(flat_out(way.line, [call.request for call in made], _CONNECTIONS))
    _check_answers(answered)
    wait_until(lambda: way.road.lag() == 0, "everything is committed", _SETTLE_S)
    return len(made) * _BATCH / (time.monotonic() - began)


def _steady(way: _Road, rate: float, seconds: float, batch: int) -> _Taken:
    made = _calls(way, round(rate * seconds), batch)
    with ground.folder() as folder:
        file = Path(folder) / "came"
        reader = _reader(way.road, file)
        try:
            answered = asyncio.run(steadily(way.line, [call.request for call in made], rate / batch))
            _check_answers(answered)
            wait_until(lambda: way.road.lag() == 0, "everything is committed", _SETTLE_S)
        finally:
            reader.end()
        came = dict(_came(file, [one for call in made for one in call.ids]))
    spent = answered[-1].due - answered[0].due
    return _Taken(
        (len(made) - 1) * batch / spent,
        [(came[one] - answer.at) * 1e3 for call, answer in zip(made, answered, strict=True) for one in call.ids],
        [(answer.at - answer.due) * 1e3 for answer in answered],
    )


def _calls(way: _Road, events: int, batch: int) -> list[_Call]:
    """Return requests of so many new events, made before anything is timed."""
    made = []
    for _ in range(max(2, events // batch)):
        chosen = list(islice(way.events, batch))
        body = chosen[0][1] if batch == 1 else b'{"batch":[%b]}' % b",".join(body for _, body in chosen)
        ids = (interaction_id(ground.WORKSPACE, contact, FIRST_DAY_NUMBER).encode() for contact, _ in chosen)
        path = "/v1/identify" if batch == 1 else "/v1/batch"
        made.append(_Call(request(ground.WORKSPACE, path, body), tuple(ids)))
    return made


def _reader(road: Road, file: Path) -> Process:
    words = (road.kafka, road.topics.interactions, str(PARTITIONS), str(file))
    reader = Process([sys.executable, "-m", "tests.bench.programs.reader", *words], road.environment)
    reader.wait_for("^assigned")
    return reader


def _came(file: Path, expected: Sequence[bytes]) -> Iterator[tuple[bytes, float]]:
    lines = file.read_bytes().splitlines()
    found = [(line[-36:], float(line[:-37])) for line in lines]
    if len(found) != len(expected) or {one for one, _ in found} != set(expected):
        raise Wrong(f"{len(found):,} interactions came of {len(expected):,} events that were answered 200")
    yield from found


def _check_answers(answered: Sequence[Answered]) -> None:
    bad = [answer.status for answer in answered if answer.status != OK]
    if bad:
        raise Wrong(f"{len(bad):,} of {len(answered):,} calls were answered {sorted(set(bad))}")
