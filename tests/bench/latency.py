"""PART=latency: the whole road, from HTTP to the committed interaction, on the mixed load.

The road is one ingest and one worker. What it can do is measured first: batches of 100, as fast as they are answered,
until all of them are committed. Then how long it takes from the 200 to the commit, at 100 events a second and at half
of what it can do: an open loop, of single events or of batches. With both goes what each part spends of the CPU.
"""

import asyncio
import os
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from schemas.interaction import interaction_id
from tests.bench import base, ground, mixed
from tests.bench.caller import OK, Answered, Line, flat_out, percentile, request, steadily
from tests.bench.contenders import Wrong
from tests.bench.figures import Row
from tests.bench.ground import Ground
from tests.bench.measuring import own_cpu_s
from tests.bench.mixed import Drawn
from tests.bench.options import Options
from tests.bench.start import ingest
from tests.flows import Process, Road, wait_until

PART = "latency"
PARTITIONS = 12
_SLOW = 100.0  # events a second
BATCH = 100
_CONNECTIONS = 8
_MOST, _OF_A_DAY = 10_000_000, 20_000  # events that could be sent, each day with its share of firsts
_SETTLE_S = 60.0


class _Call(NamedTuple):
    """A request, and the ids of the interactions of its events."""

    request: bytes
    ids: tuple[bytes, ...]


class Taken(NamedTuple):
    """One run: events a second, each part's CPU µs an event, ms from the 200 to the commit, and from due to the 200."""

    rate: float
    cpu_us: Mapping[str, float]
    committed_ms: Sequence[float] = ()
    answered_ms: Sequence[float] = ()


class Way(NamedTuple):
    """A pipeline under test, its processes, the events yet to be sent, and the ids reported before."""

    name: str
    road: Road
    line: Line
    pids: Mapping[str, int]
    events: Iterator[Drawn]
    told: set[bytes]


def run(options: Options) -> list[Row]:
    """Measure, run by run and road by road in turn."""
    taken: dict[tuple[str, str], list[Taken]] = {}
    with ExitStack() as stack:
        daymarks = stack.enter_context(base.unpacked(options.base))
        here = stack.enter_context(ground.opened())
        ways = [way_of(stack, here, *daymark, options) for daymark in daymarks.items()]
        for number in range(options.runs):
            for way in ways:
                for case, one in _run(way, options):
                    rate = f"{one.rate:,.0f} events/s"
                    options.say(f"{PART}: run {number + 1} of {options.runs}, {way.name}, {case}: {rate}")
                    taken.setdefault((way.name, case), []).append(one)
    return list(_rows(taken))


def _run(way: Way, options: Options) -> Iterator[tuple[str, Taken]]:
    able = capacity(way, options.events // 2)
    yield "capacity, in batches of 100", able
    yield f"{_SLOW:.0f} events/s, singly", steady(way, _SLOW, options.seconds, 1)
    yield "half of capacity, in batches of 100", steady(way, able.rate / 2, options.seconds, BATCH)


def way_of(
    stack: ExitStack,
    here: Ground,
    named: str,
    daymark: tuple[str, ...],
    options: Options,
    *,
    workers: int = 1,
    **settings: str,
) -> Way:
    """Start a road, `settings` those of its workers, and warm it up."""
    road = here.road(f"l{len(daymark)}-{workers}", PARTITIONS, ("segment.backfill",))
    road.daymark = daymark
    receiver = ingest(stack, road)
    worker = road.start("process", "--workers", str(workers), **settings)
    stack.callback(worker.end)
    worker.wait_for(r"partitions\.assigned")
    host, _, port = road.environment["DAYMARK_HTTP"].partition(":")
    mix = options.mix(_MOST)._replace(days=_MOST // _OF_A_DAY, broken=0)
    pids = {"ingest": receiver.pid, "worker": worker.pid, **here.pids, "sender": os.getpid()}
    way = Way(f"ingest and worker{named}", road, Line(host, int(port)), pids, mixed.calls(mix), set())
    capacity(way, 5000)  # everything is warm
    return way


def _rows(taken: dict[tuple[str, str], list[Taken]]) -> Iterator[Row]:
    for (name, case), runs in taken.items():
        yield Row(PART, name, "rate", "events/s", tuple(run.rate for run in runs), case)
        if runs[0].committed_ms:
            for word, percent in (("p50", 50.0), ("p99", 99.0), ("most", 100.0)):
                times = tuple(percentile(run.committed_ms, percent) for run in runs)
                yield Row(PART, name, f"200 to commit, {word}", "ms", times, case)
            yield Row(PART, name, "due to 200, p99", "ms", tuple(percentile(run.answered_ms, 99) for run in runs), case)
        for whose in runs[0].cpu_us:
            yield Row(PART, name, f"{whose}'s", "µs an event", tuple(run.cpu_us[whose] for run in runs), case)


def capacity(way: Way, events: int) -> Taken:
    """Send so many events as fast as they are answered, and wait until they are committed."""
    made = _calls(way, events, BATCH)
    began, before = time.monotonic(), _cpu_s(way.pids)
    answered = asyncio.run(flat_out(way.line, [call.request for call in made], _CONNECTIONS))
    sender_s = own_cpu_s(os.getpid())  # not what is asked of Kafka from here on
    _check_answers(answered)
    wait_until(lambda: way.road.lag() == 0, "everything is committed", _SETTLE_S)
    sent = len(made) * BATCH
    spent = _cpu_us(before, _cpu_s(way.pids) | {"sender": sender_s}, sent)
    way.told.update(one for call in made for one in call.ids)
    return Taken(sent / (time.monotonic() - began), spent)


def steady(way: Way, rate: float, seconds: float, batch: int, *, is_alone: bool = True) -> Taken:
    """Send at a steady rate for some seconds, in batches; `is_alone`: nothing else becomes an interaction meanwhile."""
    made = _calls(way, round(rate * seconds), batch)
    with ground.folder() as folder:
        file = Path(folder) / "came"
        reader = _reader(way.road, file)
        pids = {**way.pids, "reader": reader.pid}
        try:
            before = _cpu_s(pids)
            answered = asyncio.run(steadily(way.line, [call.request for call in made], rate / batch))
            after = _cpu_s(pids)
            _check_answers(answered)
            wait_until(lambda: way.road.lag() == 0, "everything is committed", _SETTLE_S)
        finally:
            reader.end()
        at: dict[bytes, float] = {}
        for call, answer in zip(made, answered, strict=True):
            for one in call.ids:
                if one not in way.told:
                    at[one] = min(answer.at, at.get(one, answer.at))  # whichever of its events was the first
        came = dict(_came(file, at, is_alone=is_alone))
    way.told.update(at)
    return Taken(
        (len(made) - 1) * batch / (answered[-1].due - answered[0].due),
        _cpu_us(before, after, len(made) * batch),
        [(came[one] - then) * 1e3 for one, then in at.items()],
        [(answer.at - answer.due) * 1e3 for answer in answered],
    )


def _cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    return {whose: own_cpu_s(pid) for whose, pid in pids.items()}


def _cpu_us(before: Mapping[str, float], after: Mapping[str, float], events: int) -> dict[str, float]:
    return {whose: (after[whose] - spent) / events * 1e6 for whose, spent in before.items()}


def _calls(way: Way, events: int, batch: int) -> list[_Call]:
    """Return requests of so many new events, made before anything is timed."""
    made = []
    for _ in range(max(2, events // batch)):
        chosen = list(islice(way.events, batch))
        body = chosen[0].body if batch == 1 else b'{"batch":[%b]}' % b",".join(event.body for event in chosen)
        ids = (interaction_id(ground.WORKSPACE, str(event.contact), event.day).encode() for event in chosen)
        path = "/v1/identify" if batch == 1 else "/v1/batch"
        made.append(_Call(request(ground.WORKSPACE, path, body), tuple(ids)))
    return made


def _reader(road: Road, file: Path) -> Process:
    words = (road.kafka, road.topics.interactions, str(PARTITIONS), str(file))
    reader = Process([sys.executable, "-m", "tests.bench.programs.reader", *words], road.environment)
    reader.wait_for("^assigned")
    return reader


def _came(file: Path, expected: Collection[bytes], *, is_alone: bool) -> Iterator[tuple[bytes, float]]:
    lines = file.read_bytes().splitlines()
    found = [(line[-36:], float(line[:-37])) for line in lines if is_alone or line[-36:] in expected]
    if len(found) != len(expected) or {one for one, _ in found} != set(expected):
        raise Wrong(f"{len(found):,} interactions came of {len(expected):,} contact-days that were answered 200")
    yield from found


def _check_answers(answered: Sequence[Answered]) -> None:
    bad = [answer.status for answer in answered if answer.status != OK]
    if bad:
        raise Wrong(f"{len(bad):,} of {len(answered):,} calls were answered {sorted(set(bad))}")
