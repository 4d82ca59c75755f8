"""Which faults befall a run, and when: a pure function of a seed.

Lanes go side by side: workers, ingest, single requests of workers, single flows of theirs, and the world (Kafka's
nodes, the store, the network). In each, one fault follows the other; the first round of a lane has every kind that it
knows, in a shuffled order, then chance decides.
Invariant: the same seed gives the same faults, and each is undone before the end.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, count, cycle
from typing import Final, NamedTuple, TypeVar

from tests.faults.frames import TRANSACTION
from tests.faults.traps import Act

T = TypeVar("T")

# Where a worker can be hit: the instants between, and within, the numbered steps of `processor/worker.py`.
STEPS: Final = (
    "polling",  # before the batch
    "batched",  # 1 done: before it is read
    "read",  # 2 and 3 done: before the claim
    "claiming",  # while Redis answers
    "claimed",  # 4 and 5 done: before the commit
    "begun",  # 6: the transaction is open
    "producing",  # some results are produced
    "produced",  # all are, before the offsets
    "offsets",  # the offsets are sent, before the commit
    "committing",  # while the coordinator answers
    "committed",  # all is done, nothing is noted
    "noted",
)
_MOST_VISITS = 4
_DAY_S: Final = 86_400.0
_LEAVES_S: Final = 5.0  # that a node is told to stop before it must have


class Kind(StrEnum):
    """What happens."""

    KILL = "worker killed at random"
    AIMED_KILL = "worker killed at a step"
    STOP = "worker stopped at random"
    AIMED_STOP = "worker stopped at a step"
    TERM = "worker told to leave"
    JOIN = "worker joins and leaves"
    NODE = "Kafka node killed"
    GROUP_NODE = "group's coordinator killed"
    TRANSACTION_NODE = "transaction coordinator killed"
    ALL_NODES = "all of Kafka killed"
    LEADERS = "leaders of a topic moved"
    STORE_KILL = "store killed"
    STORE_FREEZE = "store frozen"
    STORE_FULL = "store full"
    STORE_READ_ONLY = "store read-only"
    STORE_NO_REPLICAS = "store wants replicas"
    STORE_EMPTY = "store came back empty"
    CUT = "connections cut"
    DELAY = "connections delayed"
    BLACK_HOLE = "connections black-holed"
    ONE_WAY = "connections held one way"
    REQUEST = "request of a transaction caught"
    RESET = "single connection reset"
    FLOW = "single flow dropped by the kernel"
    DISK = "Kafka node's disk filled"
    UPGRADE = "Kafka node upgraded"
    FEATURES = "feature level of Kafka raised"
    CLOCK = "clock of a process set"
    INGEST_KILL = "ingest killed"
    INGEST_TERM = "ingest told to leave"


NODES: Final = (Kind.NODE, Kind.GROUP_NODE, Kind.TRANSACTION_NODE, Kind.ALL_NODES)
STORE: Final = (Kind.STORE_KILL, Kind.STORE_FREEZE, Kind.STORE_FULL, Kind.STORE_READ_ONLY, Kind.STORE_NO_REPLICAS)
NETWORK: Final = (Kind.CUT, Kind.DELAY, Kind.BLACK_HOLE, Kind.ONE_WAY)
DIRECTIONS: Final = ("requests", "answers")
SEEN: Final = (Kind.LEADERS, Kind.ONE_WAY, Kind.CLOCK, Kind.DISK)  # those that must leave a trace
KILLS: Final = (Kind.KILL, Kind.AIMED_KILL)
_AIMED: Final = (Kind.AIMED_KILL, Kind.AIMED_STOP, Kind.REQUEST)
_ALONE: Final = {*NODES, *STORE, *NETWORK, Kind.DISK}  # of these, one after the other
# How often each comes, beside the others of its lane.
_WORKER: Final = {Kind.KILL: 6, Kind.AIMED_KILL: 12, Kind.STOP: 1, Kind.AIMED_STOP: 2, Kind.TERM: 1, Kind.JOIN: 1}
# Single requests: mostly such as arrive late, after the driver has repeated them.
_ACTS: Final = {Act.RESET: 6, Act.REPEAT: 2, Act.DELAY: 1, Act.REORDER: 1, Act.HOLD: 1}
_CATCHES: Final = {(api.name, act): times for api in TRANSACTION for act, times in _ACTS.items()}
_LATE_S: Final = (0.02, 1.5)  # how long one is held up
_RESETS: Final = 0.3  # after how many of them a single connection is reset
_INGEST: Final = {Kind.INGEST_KILL: 4, Kind.INGEST_TERM: 1}


class Fault(NamedTuple):
    """One fault: when it happens and to whom, and after how many seconds it is undone by itself.

    `target` is a worker's, an ingest's or a node's number, or the index of a link; `step` and `visit` say where an
    aimed fault hits: at that visit of the step. Of a request that is caught, `step` is its API, `act` what is done to
    it, and `late_s` how many seconds later it arrives. Of connections held one way, `act` is what is held. A clock is
    set `late_s` seconds ahead, or back if negative.
    """

    at_s: float
    kind: Kind
    target: int = 0
    lasts_s: float = 0.0
    step: str = ""
    visit: int = 0
    act: str = ""
    late_s: float = 0.0

    @property
    def over_s(self) -> float:
        """When it is undone."""
        return self.at_s + self.lasts_s


class Scope(NamedTuple):
    """What there is to be hurt.

    `session_s` is after how many seconds a silent worker is taken for dead; `worker_every_s` the mean pause between
    two faults of workers, `away_s` how long all of Kafka may be away; `empties` says that the store loses its data, and
    nothing else befalls the world; `catches` that single requests of workers can be caught, `flows` that the kernel may
    drop what one of their connections sends, `clocks` that each process has one that can be set,
    `disks` that each node has one that can be filled. With `upgrade_every_s`, Kafka is
    upgraded, a node every so many seconds, and nothing else befalls the world.
    """

    workers: int = 4
    ingests: int = 2
    nodes: int = 3
    links: int = 3
    own_store: bool = True
    session_s: float = 6.0
    worker_every_s: float = 1.0
    away_s: float = 20.0
    empties: bool = False
    catches: bool = True
    flows: bool = False
    clocks: bool = False
    disks: bool = False
    upgrade_every_s: float = 0.0


def plan(seed: int, seconds: float, scope: Scope) -> list[Fault]:
    """Return the faults of a run, in the order of time."""
    lanes = (_workers, _upgrade if scope.upgrade_every_s else _world, _ingest, _requests, _flows, _clocks)
    return sorted(
        fault
        for number, lane in enumerate(lanes)
        for fault in _within(lane(random.Random(f"{seed} {number}"), scope), seconds)
    )


def storm(seconds: float, every_s: float, workers: int) -> list[Fault]:
    """Return a kill every so many seconds, of the workers in turn."""
    return [Fault(number * every_s, Kind.KILL, number % workers) for number in range(int(seconds / every_s))]


def drill(seed: int, seconds: float, scope: Scope, kinds: Sequence[Kind], steps: Sequence[str]) -> list[Fault]:
    """Return faults of some kinds only, in turn, one after the other; aimed ones hit at the given steps."""
    chance = random.Random(f"{seed} drill")
    return list(_within(_drill(chance, scope, kinds, steps), seconds))


def _drill(chance: random.Random, scope: Scope, kinds: Sequence[Kind], steps: Sequence[str]) -> Iterator[Fault]:
    at_s = 4.0
    for number, kind in enumerate(cycle(kinds)):
        step = chance.choice(steps) if kind in _AIMED else ""
        lasts_s = scope.session_s + 2 if kind is Kind.AIMED_STOP else _length(chance, scope, kind)
        caught = (Act.RESET, chance.uniform(*_LATE_S)) if kind is Kind.REQUEST else _how(chance, kind)
        yield Fault(at_s, kind, number // len(kinds), lasts_s, step, int(kind in _AIMED), *caught)
        at_s += (lasts_s if kind in _ALONE else 0) + chance.uniform(0.5, 1.5) * scope.worker_every_s


def _within(lane: Iterator[Fault], seconds: float) -> Iterator[Fault]:
    for fault in lane:
        if fault.at_s >= seconds:
            return
        if fault.over_s <= seconds:
            yield fault


def _workers(chance: random.Random, scope: Scope) -> Iterator[Fault]:
    if not scope.workers:
        return
    aims = _steps(chance)
    at_s = 0.0
    for kind in _rounds(chance, _WORKER):
        at_s += chance.uniform(0.5, 1.5) * scope.worker_every_s
        target = chance.randrange(scope.workers)
        match kind:
            case Kind.AIMED_KILL:
                yield Fault(at_s, kind, target, 0, next(aims), chance.randint(1, _MOST_VISITS))
            case Kind.AIMED_STOP:
                lasts_s = _outlasting(chance, scope)
                yield Fault(at_s, kind, target, lasts_s, next(aims), chance.randint(1, _MOST_VISITS))
            case Kind.STOP:
                yield Fault(at_s, kind, target, _outlasting(chance, scope))
            case Kind.JOIN:
                yield Fault(at_s, kind, 0, chance.uniform(3, 8))
            case _:
                yield Fault(at_s, kind, target)


def _outlasting(chance: random.Random, scope: Scope) -> float:
    """Return for how long a worker is stopped: mostly past its session, so that it wakes a zombie."""
    return scope.session_s + chance.uniform(-1, 4)


def _steps(chance: random.Random) -> Iterator[str]:
    while True:
        yield from chance.sample(STEPS, len(STEPS))


def _world(chance: random.Random, scope: Scope) -> Iterator[Fault]:
    """Yield what befalls Kafka, the store and the network: one at a time, so that work goes on between."""
    alone = (*((*NODES, Kind.LEADERS) if scope.nodes else ()), *(STORE if scope.own_store else ()))
    if scope.disks:
        alone += (Kind.DISK,)
    things = {(kind, 0): 1 if kind is Kind.ALL_NODES else 4 for kind in alone} | {
        (kind, link): 1 for kind in NETWORK for link in range(scope.links)
    }
    if scope.empties:
        things = {(Kind.STORE_EMPTY, 0): 1}
    at_s = chance.uniform(2, 4)
    for kind, link in _rounds(chance, things):
        target = chance.randrange(scope.nodes) + 1 if kind in {*NODES, Kind.LEADERS, Kind.DISK} else link
        lasts_s = _length(chance, scope, kind)
        yield Fault(at_s, kind, target, lasts_s, "", 0, *_how(chance, kind))
        # A node that comes back needs some seconds to catch up before another may go.
        at_s += lasts_s + (chance.uniform(6, 9) if kind in {*NODES, Kind.DISK} else chance.uniform(1, 4))


def _upgrade(chance: random.Random, scope: Scope) -> Iterator[Fault]:
    """Yield the nodes one after the other, each once the last one is back, then the features."""
    at_s = chance.uniform(3, 6)
    for number in range(scope.nodes):
        yield Fault(at_s, Kind.UPGRADE, number, _LEAVES_S)
        at_s += scope.upgrade_every_s
    yield Fault(at_s, Kind.FEATURES, 0, _LEAVES_S)


def _length(chance: random.Random, scope: Scope, kind: Kind) -> float:
    match kind:
        case Kind.ALL_NODES:
            return chance.uniform(scope.away_s / 2, scope.away_s)
        case Kind.CUT:
            return chance.uniform(0.2, 1)
        case Kind.BLACK_HOLE | Kind.ONE_WAY:
            return chance.uniform(1, scope.session_s + 2)
        case Kind.LEADERS:
            return 0
        case Kind.CLOCK:
            return chance.uniform(2, 10)
        case Kind.DISK:
            return chance.uniform(4, 10)
        case Kind.REQUEST:
            return chance.uniform(2, 4)  # in which it is caught, and arrives
        case _:
            return chance.uniform(1, 5)


def _how(chance: random.Random, kind: Kind) -> tuple[str, float]:
    match kind:
        case Kind.ONE_WAY:
            return chance.choice(DIRECTIONS), 0.0
        case Kind.CLOCK:
            return "", chance.choice((-1, 1)) * chance.choice((chance.uniform(60, 1200), _DAY_S))
        case _:
            return "", 0.0


def _requests(chance: random.Random, scope: Scope) -> Iterator[Fault]:
    """Yield what befalls single requests and connections between workers and Kafka, whatever else does."""
    if not scope.catches:
        return
    at_s = 3.0
    for api, act in _rounds(chance, _CATCHES):
        at_s += chance.uniform(1, 3)
        lasts_s = _length(chance, scope, Kind.REQUEST)
        yield Fault(at_s, Kind.REQUEST, 0, lasts_s, api, 0, act, chance.uniform(*_LATE_S))
        at_s += lasts_s
        if chance.random() < _RESETS:
            yield Fault(at_s, Kind.RESET, chance.randrange(100))


def _flows(chance: random.Random, scope: Scope) -> Iterator[Fault]:
    """Yield flows that are dropped until their senders give up, or nearly: what was under way arrives after that."""
    at_s = 2.0
    while scope.flows:
        at_s += chance.uniform(0.5, 2)
        lasts_s = chance.uniform(0.5, 10)
        yield Fault(at_s, Kind.FLOW, chance.randrange(100), lasts_s)
        at_s += lasts_s


def _clocks(chance: random.Random, scope: Scope) -> Iterator[Fault]:
    """Yield clocks that are set, by minutes or a day, and set right again: one at a time."""
    at_s = 2.0
    while scope.clocks:
        at_s += chance.uniform(1, 4)
        lasts_s = _length(chance, scope, Kind.CLOCK)
        yield Fault(at_s, Kind.CLOCK, chance.randrange(100), lasts_s, "", 0, *_how(chance, Kind.CLOCK))
        at_s += lasts_s


def _ingest(chance: random.Random, scope: Scope) -> Iterator[Fault]:
    at_s = 0.0
    for kind in _rounds(chance, _INGEST if scope.ingests else {}):
        at_s += chance.uniform(3, 7)
        yield Fault(at_s, kind, chance.randrange(scope.ingests))


def _rounds(chance: random.Random, weights: dict[T, int]) -> Iterator[T]:
    """Yield everything once, in a shuffled order, then by weight without end."""
    if not weights:
        return iter(())
    things = list(weights)
    draw: Callable[[int], T] = lambda _: chance.choices(things, list(weights.values()))[0]  # noqa: E731
    return chain(chance.sample(things, len(things)), map(draw, count()))
