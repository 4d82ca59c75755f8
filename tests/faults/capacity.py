"""How much a fleet takes when nobody hurts it: what half of its capacity is, on this machine, with these parts."""

import secrets
import signal
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

from schemas.topics import PARTITIONS, Topics
from tests.faults import ground, load
from tests.faults.fleet import Fleet
from tests.faults.forkserver import ForkServer
from tests.faults.ground import Ground
from tests.faults.processes import Options, Processes
from tests.faults.recovery import Watch
from tests.flows import Road
from tests.made import make

_EVENTS = 1_000_000  # more than can come of it
_WAITING = 20_000  # so many are kept before the fleet: never idle, never far behind
_WARM_S, _SECONDS, _WITHIN_S = 45.0, 20.0, 300.0  # until the brokers are compiled, too
_KILLED_S, _CALM_S = 30.0, 5.0  # and until their code for members that come back is
_LOOK_S = 0.02


def measure(options: Options, where: Ground, forkserver: ForkServer, folder: Path) -> float:
    """Return how many events a second go through, sent and committed, when as many are sent as the fleet takes."""
    topics = Topics(f"capacity-{secrets.token_hex(3)}.")
    road = Road(where.kafka, where.redis, topics, secrets.token_bytes(16))
    make(where.kafka, topics.all(), PARTITIONS)
    watch = Watch(where.kafka, topics, road.group, PARTITIONS)
    workers = Processes(options, where, forkserver, road, folder).workers
    stream = load.Stream(where.kafka, topics.events, float(_EVENTS), load.plan(options.seed, _EVENTS, invalid=0.02))

    def keep_up() -> None:
        stream.most = watch.committed + _WAITING
        time.sleep(_LOOK_S)

    stream.most = _WAITING
    workers.start()
    try:
        _wait(lambda: watch.moves, keep_up)
        _pass(_WARM_S, keep_up)
        _warm_recoveries(workers, keep_up)
        before, began = watch.committed, time.monotonic()
        _pass(_SECONDS, keep_up)
        return (watch.committed - before) / (time.monotonic() - began)
    finally:
        stream.end()
        workers.end()
        watch.end()
        ground.remove_topics(where, topics)


def _warm_recoveries(workers: Fleet, keep_up: Callable[[], None]) -> None:
    """Kill the workers in turn, as the storm will: what only a broker's first recoveries cost is not the fleet's."""

    def look() -> None:
        workers.look()
        keep_up()

    until = time.monotonic() + _KILLED_S
    for member in cycle(workers.members):
        if time.monotonic() >= until:
            break
        member.signal(signal.SIGKILL)
        _pass(1.0, look)
    _pass(_CALM_S, look)


def _pass(seconds: float, meanwhile: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    _wait(lambda: time.monotonic() >= until, meanwhile)


def _wait(condition: Callable[[], bool], meanwhile: Callable[[], None]) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"the capacity could not be measured within {_WITHIN_S:.0f} s"
        meanwhile()
