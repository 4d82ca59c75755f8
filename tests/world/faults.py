"""What goes wrong: a schedule that the seed draws, and how each fault is done and undone.

Nothing is aimed: a fault has an instant and a victim, and hits whatever is under way. A schedule is a list of values,
so that a failing one can be shortened and told.
"""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Final, NamedTuple

from tests.world.fleet import Fleet, Life
from tests.world.network import Call, Link
from tests.world.store import StoreServer

KINDS: Final = {
    "kill": 4,
    "kill-sending": 4,  # at the next request that it sends
    "freeze": 3,
    "replace": 2,  # frozen, and another process of its slot started meanwhile
    "stop": 2,
    "late": 6,  # the connection of the next request breaks; the request arrives later
    "reset": 3,
    "cut": 3,
    "slow": 2,
    "move": 3,
    "node": 2,
    "store-away": 2,
    "store-full": 1,
    "store-read-only": 1,
    "store-loses": 0,  # only in worlds whose store may
    "clock": 1,
    "scale": 2,
}
_ROLES: Final = ("producer", "producer", "consumer", "store")


class Fault(NamedTuple):
    """One fault. `for_s`: how long it lasts, or how late a request is. `which` and `role` choose its victim."""

    at_s: float
    kind: str
    which: int
    for_s: float
    role: str

    def __str__(self) -> str:
        about = {"late": f" ({self.role})", "reset": f" ({self.role})", "cut": f" ({self.role})"}.get(self.kind, "")
        return f"{self.kind}{about}, number {self.which}, {self.for_s:.3f} s"


def draw(seed: int, until_s: float, every_s: float, *, lossy: bool) -> list[Fault]:
    """Draw a schedule. Some kinds are left out of each world, so that others meet undisturbed."""
    random = Random(f"faults {seed}")
    weights = {**KINDS, "store-loses": 2 if lossy else 0}
    left = {kind: weight for kind, weight in weights.items() if weight and random.random() < 0.6} or weights
    at_s, faults = random.uniform(1, 5), []
    while (at_s := at_s + random.expovariate(1 / every_s)) < until_s:
        kind = random.choices([*left], [*left.values()])[0]
        for_s = random.choice([random.uniform(0.01, 0.5), random.uniform(0.5, 5), random.uniform(5, 15)])
        if kind == "late":
            for_s = random.choice([random.uniform(0.0, 0.1), random.uniform(0.0, 1.0), random.uniform(0, 8)])
        faults.append(Fault(round(at_s, 4), kind, random.randrange(1 << 16), round(for_s, 4), random.choice(_ROLES)))
    return faults


class Faults:
    """Does the faults of a schedule. `healed_s`: when the last of them is undone."""

    def __init__(self, fleet: Fleet, store: StoreServer, lost: Callable[[], None], tell: Callable[[str], None]) -> None:
        """Take the parts; `lost` is called when the store loses keys, `tell` with what is done."""
        self._fleet, self._cluster, self._store = fleet, fleet.cluster, store
        self._network, self._kernel = fleet.cluster.network, fleet.kernel
        self._lost, self._tell = lost, tell
        self._undos: list[Callable[[], None]] = []

    def plan(self, schedule: Sequence[Fault]) -> None:
        """Let all of them happen in their time."""
        for fault in schedule:
            self._kernel.after(fault.at_s - self._kernel.now, partial(self._strike, fault))

    def heal(self) -> None:
        """Undo everything that is not undone yet; what is held arrives."""
        undos, self._undos = self._undos, []
        for undo in undos:
            undo()
        self._network.traps.clear()

    def _strike(self, fault: Fault) -> None:
        undo = self._do(fault)
        if undo is None:
            return
        self._undos.append(undo)

        def due() -> None:
            if undo in self._undos:
                self._undos.remove(undo)
                undo()

        self._kernel.after(fault.for_s, due)

    def _do(self, fault: Fault) -> Callable[[], None] | None:
        if fault.kind == "scale":
            return self._scale()
        if fault.kind in {"move", "node"}:
            return self._broker(fault)
        if fault.kind.startswith("store"):
            return self._hurt_store(fault)
        lives = self._fleet.lives()
        if not lives:
            return None
        life = lives[fault.which % len(lives)]
        self._tell(f"{life.process.name}: {fault}")
        if fault.kind in {"late", "reset", "cut", "slow"}:
            return self._connection(fault, life)
        return self._worker(fault, life)

    def _worker(self, fault: Fault, life: Life) -> Callable[[], None] | None:
        match fault.kind:
            case "kill":
                self._fleet.kill(life)
            case "kill-sending":
                skipped = fault.which // 64 % 12
                self._network.traps.append(_Kills(self._fleet, life, skipped).sees)
            case "stop":
                self._fleet.stop(life.slot)
            case "freeze" | "replace":
                if life.process.frozen:
                    return None
                self._fleet.freeze(life, replaced=fault.kind == "replace")
                return partial(self._fleet.thaw, life)
            case "clock":
                life.process.skew_s = (fault.which % 7 - 3) * 40.0
        return None

    def _connection(self, fault: Fault, life: Life) -> Callable[[], None] | None:
        name = life.process.name
        if fault.kind == "late":
            self._network.traps.append(_Delays(life, fault.role, fault.for_s).sees)
            return None
        if fault.kind == "reset":
            for link in self._network.links:
                if link.process is life.process and link.role == fault.role:
                    link.close(fault.for_s if fault.which % 2 else None)
            return None
        server = "store" if fault.role == "store" else f"node-{fault.which % 3}"
        path = self._network.way(name, server)
        if fault.kind == "slow":
            path.slow_s = 0.05 + (fault.which % 10) * 0.05
        else:
            path.cut |= [{"there"}, {"back"}, {"there", "back"}][fault.which // 3 % 3]
        return partial(self._network.heal, name, server)

    def _scale(self) -> Callable[[], None]:
        slot = "guest"
        self._tell("another worker comes")
        self._fleet.start(slot)

        def undo() -> None:
            self._fleet.wanted.discard(slot)
            self._fleet.stop(slot)

        return undo

    def _broker(self, fault: Fault) -> Callable[[], None] | None:
        if fault.kind == "move":
            roles = self._cluster.roles
            role = roles[fault.which % len(roles)]
            self._tell(f"{role} moves to another node")
            self._cluster.move(role, min(fault.for_s, 3.0) if fault.which % 2 else 0.0)
            return None
        node = self._cluster.nodes[fault.which % len(self._cluster.nodes)]
        if not node.up or sum(each.up for each in self._cluster.nodes) == 1:
            return None
        self._tell(f"{node.name} is killed")
        self._cluster.crash(node)
        return partial(self._cluster.start, node)

    def _hurt_store(self, fault: Fault) -> Callable[[], None] | None:
        store = self._store
        self._tell(f"the store: {fault}")
        match fault.kind:
            case "store-full":
                store.full = True
                return partial(setattr, store, "full", False)
            case "store-read-only":
                store.read_only = True
                return partial(setattr, store, "read_only", False)
            case "store-loses":
                store.lose(float("inf") if fault.which % 3 == 0 else fault.for_s)
                self._lost()
                self._network.down(store)
                return None
        store.up = False
        self._network.down(store)
        return partial(setattr, store, "up", True)


class _Kills:
    """Kills a process at one of its next requests."""

    def __init__(self, fleet: Fleet, life: Life, skipped: int) -> None:
        self._fleet, self._life, self._left = fleet, life, skipped

    def sees(self, link: Link, _call: Call) -> bool:
        if not self._life.process.alive:
            return True
        if link.process is not self._life.process or link.role == "consumer":
            return False
        self._left -= 1
        if self._left >= 0:
            return False
        self._fleet.kernel.after(0, partial(self._kill))
        return True

    def _kill(self) -> None:
        if self._life.process.alive:
            self._fleet.kill(self._life)


class _Delays:
    """Breaks the connection of a process's next request of a role, which arrives later."""

    def __init__(self, life: Life, role: str, late_s: float) -> None:
        self._process, self._role, self._late_s = life.process, role, late_s

    def sees(self, link: Link, _call: Call) -> bool:
        if link.process is not self._process or link.role != self._role:
            return not self._process.alive
        link.close(self._late_s)
        return True
