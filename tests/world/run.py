"""One world, from its seed to the judgement: events come, things go wrong, then nothing more does, and all is done.

The seed alone decides: what is drawn is drawn from it, and one greenlet runs at a time.
"""

import logging
import secrets
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, Final, NamedTuple

import structlog

from tests.world import fleet as fleet_module
from tests.world.cluster import Cluster
from tests.world.faults import Faults
from tests.world.feed import Feed
from tests.world.fleet import Fleet, Settings
from tests.world.judge import Judge
from tests.world.kernel import Kernel, rule_time
from tests.world.network import Link, Network
from tests.world.replays import Operator
from tests.world.schedule import Fault, draw, draw_apart
from tests.world.store import StoreServer

_ALARMS: Final = {"events.skipped", "offset.beyond_end", "record.unreadable"}  # nothing of that is simulated
PARTITIONS: Final = 4
SLOTS: Final = ("a", "b", "c")
FAULTY_S: Final = (20.0, 40.0, 80.0)  # of a world: events and faults; short, since its end shows what is stuck
WITHIN_S: Final = 120.0  # after which everything is committed, once nothing goes wrong any more
_REPLAYED: Final = 0.5  # of the worlds: their group's offsets are set back now and then
_REPLAY_EVERY_S: Final = 20.0
_LANED: Final = 0.4  # of the worlds: a backfill is loaded, and read beside live events
_LOOK_EVERY_S: Final = 0.5
_LOOK_AT_ALL_EVERY_S: Final = 15.0
_SESSION_S: Final = 6.0


class Plan(NamedTuple):
    """What a world is: a seed, and the faults that may have been shortened."""

    seed: int
    faults: Sequence[Fault]
    mode: str
    lossy: bool
    until_s: float  # when events and faults end
    replays: Sequence[float] = ()  # when an operator begins one
    lane: bool = False  # whether there is a backfill


class Outcome(NamedTuple):
    """What came of a world. `broken`: the promise that does not hold, or the product's own error; "": none."""

    broken: str
    at_s: float
    story: Sequence[str]
    steps: int
    commits: int
    late: int
    done_after_s: float
    digest: int
    said: Mapping[str, int]  # what workers logged, and of what they died, how often

    @property
    def kind(self) -> str:
        """What sort of promise is broken."""
        return "stuck" if "not committed after" in self.broken else "crash" if "crashed" in self.broken else "safety"


MODES: Final[dict[str, tuple[bool, dict[str, str]]]] = {
    "static": (True, {"partition.assignment.strategy": "range"}),
    "dynamic": (False, {"partition.assignment.strategy": "cooperative-sticky"}),
    "eager": (False, {"partition.assignment.strategy": "range"}),
    "consumer": (False, {"group.protocol": "consumer"}),
}


def planned(seed: int) -> Plan:
    """Return the world of a seed."""
    random = Random(f"plan {seed}")
    lossy = random.random() < 0.2
    mode = random.choice([*MODES])
    replayed = Random(f"replays {seed}")
    # Where no keys are lost: a replay of them is another record's.
    is_replayed = not lossy and replayed.random() < _REPLAYED
    until_s = random.choice(FAULTY_S)
    times = [replayed.uniform(15, until_s) for _ in range(int(until_s / _REPLAY_EVERY_S))] if is_replayed else []
    # Drawn apart, so that a world without a lane is what its seed was before there were lanes.
    lane = Random(f"lane {seed}").random() < _LANED
    faults = sorted([*draw(seed, until_s, lossy=lossy), *draw_apart(seed, until_s)])
    return Plan(seed, faults, mode, lossy, until_s, times, lane)


def settings_of(mode: str, *, lane: bool = False) -> Settings:
    """Return how workers are set up."""
    is_static, membership = MODES[mode]
    classic = {"session.timeout.ms": int(_SESSION_S * 1000), "heartbeat.interval.ms": int(_SESSION_S * 1000) // 15}
    return Settings({**membership, **({} if _is_modern(mode) else classic)}, is_static, has_lane=lane)


def _is_modern(mode: str) -> bool:
    """Return whether members use the consumer protocol: by the settings, which a break may have changed."""
    return MODES[mode][1].get("group.protocol") == "consumer"


class World:
    """All of it."""

    def __init__(self, plan: Plan, settings: Settings | None = None, *, verbose: bool = False) -> None:
        self.plan, self.kernel = plan, Kernel()
        self.story: list[str] = []
        self._digest = 0
        self._said = Counter[str]()
        self.network = Network(self.kernel, plan.seed)
        self.network.tell = partial(self._heard, verbose=verbose)
        modern = _is_modern(plan.mode)
        self.cluster = Cluster(self.network, PARTITIONS, modern=modern, session_s=_SESSION_S, lane=plan.lane)
        self.store = StoreServer(self.kernel)
        self.fleet = Fleet(self.cluster, self.store, settings or settings_of(plan.mode, lane=plan.lane))
        self.judge = Judge(self.cluster)
        self.faults = Faults(self.fleet, self.store, self.judge.promises.redis_lost_keys, self.tell)
        self.operator = Operator(self.fleet, self.judge, SLOTS, Random(f"operator {plan.seed}"))

    def tell(self, line: str) -> None:
        """Add a line to the story."""
        self.story.append(f"{self.kernel.now:9.3f} s  {line}")

    def run(self) -> Outcome:
        """Let it all happen."""
        undo, leave = rule_time(self.kernel), fleet_module.enter(self.kernel)
        before = structlog.get_config()
        structlog.configure(
            processors=[self._logged], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
        )
        random = Random(f"secrets {self.plan.seed}")
        real = secrets.token_bytes, secrets.token_hex
        for name, draws in (
            ("token_bytes", random.randbytes),
            ("token_hex", lambda size: random.randbytes(size).hex()),
        ):
            setattr(secrets, name, draws)
        broken, done_s = "", 0.0
        try:
            done_s = self._happen()
        except AssertionError as error:
            broken = str(error) or "a promise is broken"
        finally:
            secrets.token_bytes, secrets.token_hex = real
            self._end()
            structlog.configure(**before)
            leave()
            undo()
        return Outcome(
            broken,
            self.kernel.now,
            self.story,
            self.kernel.steps,
            len(self.cluster.transactions.decided),
            self.network.late,
            done_s,
            self._digest,
            self._said + Counter(f"died: {error.split(';')[0]}"[:60] for error in self.fleet.fatal),
        )

    def _happen(self) -> float:
        kernel = self.kernel
        for slot in SLOTS:
            self.fleet.start(slot)
        Feed(self.cluster, self.judge, self.plan.seed, self.plan.until_s, lane=self.plan.lane)
        self.faults.plan(self.plan.faults)
        for at_s in self.plan.replays:
            if at_s < self.plan.until_s:
                kernel.after(at_s, self._replay)
        while kernel.now < self.plan.until_s:
            self._go_on(at_all=kernel.now % _LOOK_AT_ALL_EVERY_S < _LOOK_EVERY_S)
        self.tell("nothing more goes wrong")
        self.faults.heal()
        while self.operator.is_busy or not self.judge.is_done():
            self._go_on()
            late_s = kernel.now - self.plan.until_s
            assert late_s < WITHIN_S, (
                f"{self.judge.lag()} records are not committed after {late_s:.0f} s without faults"
            )
        done_s = kernel.now - self.plan.until_s
        self._go_on(at_all=True)
        self.judge.promises.check_end()
        return done_s

    def _go_on(self, *, at_all: bool = False) -> None:
        self.kernel.run(self.kernel.now + _LOOK_EVERY_S)
        crash = self.fleet.crash
        assert crash is None, f"the worker crashed: {crash!r}"
        self.judge.look(at_all=at_all)
        false = [name for name in self._said if name in _ALARMS or (name == "store.lost" and not self.plan.lossy)]
        assert not false, f"workers say {false}, and nothing of that has happened"

    def _replay(self) -> None:
        self.tell("events are to be replayed")
        self.operator.replay()

    def _heard(self, link: Link, request: Any, is_late: bool, *, verbose: bool) -> None:  # noqa: FBT001
        line = f"{self.kernel.now} {link.process.name} {link.server.name} {type(request).__name__} {is_late}"
        self._digest = zlib.crc32(line.encode(), self._digest)
        if verbose:
            self.tell(f"{link.process.name} -> {link.server.name}: {request}{' LATE' if is_late else ''}")

    def _logged(self, _logger: Any, _method: str, event: Any) -> Any:
        process = self.kernel.process
        if process is not None and not process.alive:
            raise structlog.DropEvent
        self._said[event["event"]] += 1
        said = " ".join(f"{name}={value}" for name, value in event.items() if name not in {"event", "advice"})
        self.tell(f"{process.name if process else '?'}: {event['event']} {said}")
        raise structlog.DropEvent

    def _end(self) -> None:
        for life in self.fleet.lives():
            self.kernel.kill(life.process)
