"""PART=isolation: what a workspace waits while another floods the same ingest process.

The quiet one sends single calls at a steady rate (open loop) while the loud one sends as fast as it can, from many
connections. Times are reported beside those without a flood.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

from daymark.simulation.connection import Connection
from tests.bench import ground
from tests.bench.caller import ANSWER_S, OK, Answered, Line, flat_out, percentile, request, steadily
from tests.bench.contenders import Wrong
from tests.bench.figures import Row
from tests.bench.options import Options
from tests.bench.start import ingest

PART = "isolation"
PARTITIONS = 12
_A_SECOND, _CONNECTIONS = 50, 64
_LIMIT = "rate_per_second = 100"
_GOOD = b'{"type":"identify","timestamp":"2024-05-03T10:00:00Z","traits":{"email":"peter@example.com"}}'
_BAD = b'{"type":"identify","timestamp":"never","traits":{"email":"peter@example.com"}}'


class _Flood(NamedTuple):
    """What the loud workspace does: under which key, with which body, and how it may be answered."""

    key: str
    body: bytes
    answers: frozenset[int]


_FLOODS = {
    "no flood": None,
    "a flood of valid events, no limit": _Flood("loud", _GOOD, frozenset({200, 503})),
    "a flood over its rate: 429": _Flood("limited", _GOOD, frozenset({200, 429, 503})),
    "a flood of mistakes: 400": _Flood("loud", _BAD, frozenset({400, 503})),
}


class _Seen(NamedTuple):
    """One run: the quiet one's calls, and the loud one's answers a second."""

    quiet: list[Answered]
    loud: float


def run(options: Options) -> list[Row]:
    """Measure, run by run in turn."""
    with ground.opened() as here, ExitStack() as stack:
        road = here.road("i", PARTITIONS)
        ingest(stack, road, "quiet", "loud", f"limited: {_LIMIT}")
        host, _, port = road.environment["DAYMARK_HTTP"].partition(":")
        line = Line(host, int(port))
        good = request("quiet", "/v1/identify", _GOOD)
        asyncio.run(flat_out(line, [good] * 200, 1))  # the first ones wait for Kafka's metadata
        seen: dict[str, list[_Seen]] = {}
        for number in range(options.runs):
            for name, flood in _FLOODS.items():
                options.say(f"{PART}: {name}, run {number + 1} of {options.runs}")
                seen.setdefault(name, []).append(asyncio.run(_measured(line, good, flood, options.seconds / 2)))
    return list(_rows(seen))


def _rows(seen: dict[str, list[_Seen]]) -> Iterator[Row]:
    for name, runs in seen.items():
        times = [[(call.at - call.due) * 1e3 for call in run.quiet] for run in runs]
        yield Row(PART, "", "the other's answers", "a second", tuple(run.loud for run in runs), name)
        for percent in (50, 99):
            yield Row(PART, "", f"p{percent}", "ms", tuple(percentile(one, percent) for one in times), name)


async def _measured(line: Line, good: bytes, flood: _Flood | None, seconds: float) -> _Seen:
    ends = time.monotonic() + seconds
    loud: Counter[int] = Counter()
    floods = [asyncio.create_task(_flood(line, flood, ends, loud)) for _ in range(_CONNECTIONS) if flood]
    quiet = await steadily(line, [good] * max(2, round(_A_SECOND * seconds)), _A_SECOND)
    await asyncio.gather(*floods)
    refused = [call.status for call in quiet if call.status != OK]
    if refused or (flood and not loud.keys() <= flood.answers):
        raise Wrong(f"the quiet one was answered {sorted(set(refused))}, the loud one {dict(loud)}")
    return _Seen(quiet, loud.total() / seconds)


async def _flood(line: Line, flood: _Flood, ends: float, loud: Counter[int]) -> None:
    connection = await Connection.open(*line, tls=False)
    asked = request(flood.key, "/v1/identify", flood.body)
    while time.monotonic() < ends:
        loud[(await connection.ask(asked, ANSWER_S)).status] += 1
    connection.close()
