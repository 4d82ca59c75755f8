"""How each fault of a schedule is done, and undone."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from tests.world.cluster import Node
from tests.world.fleet import Fleet, Life
from tests.world.network import Call, Link
from tests.world.requests import OffsetFetch
from tests.world.schedule import MOVING_S, Fault
from tests.world.store import StoreServer

_MOST_SKIPPED: Final = 8  # requests, before the one that meets a fault
_GUESTS: Final = ("aa", "bb", "guest")  # slots: by name some lie between others, and take their partitions
_ON_MOVES: Final = {"kill", "kill-sending", "freeze", "replace", "stop", "cut", "reset"}
_AWAITS_S: Final = 10.0  # a move of partitions, at most
_LOOK_S: Final = 0.02
_EXTRA: Final = "extra"  # a slot
_NOTICED_S: Final = 12.0  # longer than a driver takes to notice more partitions
_MOST_PARTITIONS: Final = 7
_FULL_S: Final = 0.1  # times a number below ten: from a full disk to the end of its broker


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
            strike = self._strike_moving if fault.kind in _ON_MOVES and fault.which >> 15 else self._strike
            self._kernel.after(fault.at_s - self._kernel.now, partial(strike, fault))

    def heal(self) -> None:
        """Undo everything that is not undone yet; what is held arrives."""
        undos, self._undos = self._undos, []
        for undo in undos:
            undo()
        self._network.traps.clear()

    def _strike_moving(self, fault: Fault) -> None:
        """Strike once partitions begin to move: else most faults would meet a group at rest."""
        until_s, moves_since_s = self._kernel.now + _AWAITS_S, self._cluster.moves_since_s

        def look() -> None:
            if self._cluster.moves_since_s == moves_since_s and self._kernel.now < until_s:
                self._kernel.after(_LOOK_S, look)
            else:
                self._kernel.after(fault.for_s % MOVING_S, partial(self._strike, fault))

        look()

    def _strike(self, fault: Fault) -> None:
        if undo := self._do(fault):
            self._undone_later(fault, undo)

    def _undone_later(self, fault: Fault, undo: Callable[[], None]) -> None:
        self._undos.append(undo)

        def due() -> None:
            if undo in self._undos:
                self._undos.remove(undo)
                undo()

        self._kernel.after(fault.for_s, due)

    def _do(self, fault: Fault) -> Callable[[], None] | None:
        if fault.kind == "scale":
            self._scale(fault)
            return None
        if fault.kind == "grow":
            self._grow()
            return None
        if fault.kind in {"move", "node", "disk", "blind"}:
            return self._broker(fault)
        if fault.kind.startswith("store"):
            return self._hurt_store(fault)
        lives = self._fleet.lives()
        if not lives:
            return None
        life = lives[fault.which % len(lives)]
        self._tell(f"{life.process.name}: {fault}")
        if fault.kind in {"late", "answer", "reset", "cut", "slow"}:
            return self._connection(fault, life)
        return self._worker(fault, life)

    def _worker(self, fault: Fault, life: Life) -> Callable[[], None] | None:
        match fault.kind:
            case "kill":
                self._fleet.kill(life)
            case "kill-sending":
                self._when_sending(life, fault, self._fleet.kill)
            case "stop":
                self._fleet.stop(life.slot)
            case "freeze" | "replace":
                self._when_sending(life, fault, partial(self._freeze, fault))
            case "clock":
                life.process.skew_s = (fault.which % 7 - 3) * 40.0
        return None

    def _freeze(self, fault: Fault, life: Life) -> None:
        if not life.process.frozen:
            self._fleet.freeze(life, replaced=fault.kind == "replace")
            self._undone_later(fault, partial(self._fleet.thaw, life))

    def _when_sending(self, life: Life, fault: Fault, do: Callable[[Life], None]) -> None:
        """Do something to a process when it has sent one of its next requests, but for those of its consumer."""
        left = fault.which // 64 % _MOST_SKIPPED

        def sees(link: Link, _call: Call) -> bool:
            nonlocal left
            if link.process is life.process and link.role != "consumer":
                left -= 1
                if left < 0:
                    self._kernel.after(0, partial(_to_the_living, do, life))
            return left < 0 or not life.process.alive

        self._network.traps.append(sees)

    def _connection(self, fault: Fault, life: Life) -> Callable[[], None] | None:
        name = life.process.name
        if fault.kind == "late":
            self._network.traps.append(_Delays(life, fault).sees)
            return None
        if fault.kind == "answer":
            self._network.traps.append(partial(_answers_late, life, fault))
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

    def _scale(self, fault: Fault) -> None:
        """Add a worker, or take it away again."""
        slot = _GUESTS[fault.which % len(_GUESTS)]
        if slot in self._fleet.wanted:
            self._tell(f"{slot} is to leave")
            self._fleet.wanted.discard(slot)
            self._fleet.stop(slot)
        else:
            self._tell(f"{slot} comes")
            self._fleet.start(slot)

    def _broker(self, fault: Fault) -> Callable[[], None] | None:
        if fault.kind == "move":
            roles = self._cluster.roles
            if not roles:
                return None  # nobody has asked for anything yet
            role = roles[fault.which % len(roles)]
            self._tell(f"{role} moves to another node")
            self._cluster.move(role, min(fault.for_s, 3.0) if fault.which % 2 else 0.0)
            return None
        node = self._cluster.nodes[fault.which % len(self._cluster.nodes)]
        if not node.up or sum(each.up for each in self._cluster.nodes) == 1:
            return None
        if fault.kind == "blind":
            return self._blind(node)
        if fault.kind == "disk":
            return self._fill(node, fault.which // 8 % 10 * _FULL_S)
        self._tell(f"{node.name} is killed")
        self._cluster.crash(node)
        return partial(self._cluster.start, node)

    def _fill(self, node: Node, left_s: float) -> Callable[[], None]:
        """Fill a broker's disk: some time after the first write that fails it ends itself, as its only one failed."""
        self._tell(f"the disk of {node.name} is full")
        node.full = True

        def end() -> None:
            if node.full and node.up and sum(each.up for each in self._cluster.nodes) > 1:
                self._tell(f"{node.name} has ended itself")
                self._cluster.crash(node)

        def undo() -> None:
            node.full = False
            self._cluster.start(node)

        self._kernel.after(left_s, end)
        return undo

    def _blind(self, node: Node) -> Callable[[], None] | None:
        if not all(each.up and not each.memory for each in self._cluster.nodes):
            return None  # the others are to be a majority
        self._tell(f"{node.name} sees no other node")
        self._cluster.blind(node)
        return partial(setattr, node, "memory", None)

    def _grow(self) -> None:
        if self._cluster.partitions < _MOST_PARTITIONS:
            self._cluster.grow()
            self._tell(f"there are {self._cluster.partitions} partitions now")
            if self._fleet.settings.is_static:
                self._kernel.after(_NOTICED_S, self._rebalance)

    def _rebalance(self) -> None:
        """Let a worker come for a moment, as the operator of static members does after adding partitions.

        A leader that starts again before it has noticed them is not told that it leads: nobody would give them out.
        """
        self._tell(f"{_EXTRA} comes, so that the partitions are given out")
        self._fleet.start(_EXTRA)

        def leave() -> None:
            self._fleet.wanted.discard(_EXTRA)
            self._fleet.stop(_EXTRA)

        self._kernel.after(_NOTICED_S, leave)

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


class _Delays:
    """Breaks a process's connections of a role, up to three in a row; the requests sent last on them arrive later."""

    def __init__(self, life: Life, fault: Fault) -> None:
        self._process, self._role, self._late_s = life.process, fault.role, fault.for_s
        self._times, self._between = 1 + fault.which % 3, fault.which // 8 % _MOST_SKIPPED
        self._left = fault.which // 64 % _MOST_SKIPPED if fault.role == "producer" else 0

    def sees(self, link: Link, _call: Call) -> bool:
        if link.process is self._process and link.role == self._role:
            self._left -= 1
            if self._left < 0:
                link.close(self._late_s)
                self._times, self._left = self._times - 1, self._between
        return not self._times or not self._process.alive


def _answers_late(life: Life, fault: Fault, link: Link, call: Call) -> bool:
    """Delay the answer to one of a process's next requests; of a consumer's, in half of the cases, to OffsetFetch."""
    is_one = link.process is life.process and link.role == fault.role
    if is_one and fault.role == "consumer" and fault.which % 2:
        is_one = isinstance(call.request, OffsetFetch)
    if is_one:
        call.late_s = fault.for_s
    return is_one or not life.process.alive


def _to_the_living(do: Callable[[Life], None], life: Life) -> None:
    if life.process.alive:
        do(life)
