"""PART=lane: how long live events take while a backfill goes on beside them, and without it.

The road is one ingest and one worker, as in PART=latency, at a third of what it can do. Backfilled events wait in
segment.backfill, more of them than the worker takes in the time, each a contact-day of its own: 5,000,000 with --deep.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count, islice

from confluent_kafka import Producer

from schemas.topics import PARTITIONER
from tests.bench import ground
from tests.bench.caller import percentile
from tests.bench.contenders import Wrong
from tests.bench.figures import Row
from tests.bench.latency import Taken, Way, capacity, steady, way_of
from tests.bench.options import Options
from tests.flows import DAYMARK, Road, wait_until

PART = "lane"
_BATCH = 10
_SHARE = 3  # of the capacity
_EVENTS, _DEEP = 50_000, 5_000_000  # for each second of a run; in one run with --deep
_ALONE, _BESIDE = "a third of capacity, nothing else", "a third of capacity, beside a backfill"
_SETTLE_S = 3600.0


def run(options: Options) -> list[Row]:
    """Measure both in turn, each run after the backfill of the one before has ended."""
    alone: list[Taken] = []
    beside: list[Taken] = []
    taken: list[float] = []
    with ExitStack() as stack:
        here = stack.enter_context(ground.opened())
        way = way_of(stack, here, "", DAYMARK, options, DAYMARK_BACKFILL_LANE="on")
        rate = capacity(way, options.events // 2).rate / _SHARE
        events = _bodies()
        for number in range(options.runs):
            options.say(f"{PART}: run {number + 1} of {options.runs}, {rate:,.0f} live events/s")
            alone.append(steady(way, rate, options.seconds, _BATCH))
            many = _DEEP if options.deep else round(_EVENTS * options.seconds)
            beside.append(_beside(way, rate, options, islice(events, many), taken))
    return list(_rows(alone, beside, taken))


def _beside(way: Way, rate: float, options: Options, events: Iterator[tuple[str, bytes]], taken: list[float]) -> Taken:
    """Measure while a backfill goes on; note how many of its events were taken a second, and wait for its end."""
    _fill(way.road, events)
    before, began = _left(way.road), time.monotonic()
    found = steady(way, rate, options.seconds, _BATCH, is_alone=False)
    left = _left(way.road)
    if not left:
        raise Wrong("the backfill ended before the measurement did")
    taken.append((before - left) / (time.monotonic() - began))
    wait_until(lambda: not _left(way.road), "the backfill ends", _SETTLE_S, every_s=1.0)
    return found


def _left(road: Road) -> int:
    """Return how many backfilled events are not committed."""
    return road.lag(road.topics.backfill)


def _fill(road: Road, events: Iterator[tuple[str, bytes]]) -> None:
    producer = Producer({"bootstrap.servers": road.kafka, "partitioner": PARTITIONER, "linger.ms": 50})
    for contact, body in events:
        while True:
            try:
                producer.produce(
                    road.topics.backfill, body, contact, headers=[("workspace", ground.WORKSPACE.encode())]
                )
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def _bodies() -> Iterator[tuple[str, bytes]]:
    for number in count():
        email = f"backfilled-{number}@example.org"
        yield email, b'{"type":"identify","timestamp":"2019-05-01T10:00:00Z","traits":{"email":"%b"}}' % email.encode()


def _rows(alone: list[Taken], beside: list[Taken], taken: list[float]) -> Iterator[Row]:
    for case, runs in ((_ALONE, alone), (_BESIDE, beside)):
        yield Row(PART, "live events", "rate", "events/s", tuple(run.rate for run in runs), case)
        for word, percent in (("p50", 50.0), ("p99", 99.0)):
            times = tuple(percentile(run.committed_ms, percent) for run in runs)
            yield Row(PART, "live events", f"200 to commit, {word}", "ms", times, case)
    ratios = tuple(
        percentile(slow.committed_ms, 99) / percentile(quick.committed_ms, 99)
        for quick, slow in zip(alone, beside, strict=True)
    )
    yield Row(PART, "live events", "p99, times that without a backfill", "", ratios, _BESIDE)
    yield Row(PART, "backfilled events", "rate", "events/s", tuple(taken), _BESIDE)
