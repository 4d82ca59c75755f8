"""Faults as they are planned -> what is done to the parts and the processes, and how it is undone.

Owns no time: `strike` does a fault now and returns what undoes it. Invariant: nothing here touches a process that the
run did not start.
"""

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import redis
from confluent_kafka import KafkaException

from tests.faults import ground, leaders
from tests.faults.clock import Clock
from tests.faults.fleet import Fleet, Member
from tests.faults.flow import Flow
from tests.faults.frames import Api
from tests.faults.ground import Ground
from tests.faults.hurtable import Cluster, Store, Upgradable
from tests.faults.schedule import NETWORK, NODES, Fault, Kind
from tests.faults.traps import Act, Trap

Undo = Callable[[], None]
_DELAY_S: Final = 0.4
_FULL: Final = "1mb"
_DEAD_HOST: Final = ("127.0.0.1", "1")
_INTERNAL: Final = ("__consumer_offsets", "__transaction_state")


class Injector:
    """Does the faults of one run.

    `done` counts them; aimed ones are counted where they hit. `seen` counts what shows that one happened: pieces that
    were held, partitions that moved.
    """

    def __init__(
        self,
        where: Ground,
        workers: Fleet,
        ingests: Fleet,
        guest: Member,
        *,
        coordinated: Sequence[str],
        topics: Sequence[str],
        clocks: Sequence[Clock],
        folder: Path,
    ) -> None:
        """Take the parts.

        Args:
            where: what the run stands on.
            workers: all but the last of them can be aimed at.
            ingests: the HTTP side.
            guest: the worker that joins and leaves.
            coordinated: the group, then the transactional ids of the workers.
            topics: the run's.
            clocks: those that can be set.
            folder: where aims are laid down.
        """
        self.done: Counter[Kind] = Counter()
        self.links: Counter[tuple[Kind, str]] = Counter()
        self.seen: Counter[Kind] = Counter()
        self._where, self._workers, self._ingests, self._guest = where, workers, ingests, guest
        self._group, *self._transactional_ids = coordinated
        self._topics, self._clocks = (*topics, *_INTERNAL), clocks
        self._folder = folder

    def strike(self, fault: Fault) -> Undo | None:
        """Do a fault; return what undoes it, None where nothing is to be undone."""
        if fault.kind in NODES:
            return self._strike_nodes(self._cluster, fault)
        if fault.kind in {Kind.LEADERS, Kind.DISK, Kind.UPGRADE, Kind.FEATURES}:
            return self._operate(fault)
        if fault.kind.startswith("store"):
            return self._strike_store(self._valkey, fault.kind)
        if fault.kind in NETWORK:
            return self._strike_link(fault)
        if fault.kind is Kind.REQUEST:
            return self._strike_request(fault)
        if fault.kind is Kind.RESET:
            self._reset_one(fault.target)
            return None
        if fault.kind is Kind.FLOW:
            return self._drop_flow(fault.target)
        if fault.kind is Kind.CLOCK:
            return self._set_clock(fault)
        if fault.kind.startswith("ingest"):
            self._signal(self._ingests.members[fault.target % len(self._ingests.members)], fault.kind)
            return None
        return self._strike_worker(fault)

    def aims(self) -> Sequence[Member]:
        """Return the workers that can be aimed at."""
        return self._workers.members[:-1] or self._workers.members

    @property
    def _cluster(self) -> Cluster:
        assert self._where.cluster is not None, "a Kafka that was given is not hurt"
        return self._where.cluster

    @property
    def _upgradable(self) -> Upgradable:
        assert self._where.upgradable is not None, "only a Kafka that began as an earlier one is upgraded"
        return self._where.upgradable

    @property
    def _valkey(self) -> Store:
        assert self._where.valkey is not None, "a store that was given is not hurt"
        return self._where.valkey

    def _strike_worker(self, fault: Fault) -> Undo | None:
        members = self._workers.members
        member = members[fault.target % len(members)]
        match fault.kind:
            case Kind.AIMED_KILL | Kind.AIMED_STOP:
                aimed = self.aims()[fault.target % len(self.aims())]
                act = "kill" if fault.kind is Kind.AIMED_KILL else "stop"
                new = self._folder / f"{aimed.name}.new"
                new.write_text(f"{fault.step} {fault.visit} {act}")
                new.replace(aim_file(self._folder, aimed.name))
                return None
            case Kind.STOP:
                pid = member.pid
                if pid is None or not member.signal(signal.SIGSTOP):
                    return None
                self.done[fault.kind] += 1
                return lambda: member.wake(pid)
            case Kind.JOIN:
                self.done[fault.kind] += 1
                self._guest.wanted = True
                return self._guest.ask_to_end
            case _:
                self._signal(member, fault.kind)
                return None

    def _signal(self, member: Member, kind: Kind) -> None:
        kill = kind in {Kind.KILL, Kind.INGEST_KILL}
        if member.signal(signal.SIGKILL if kill else signal.SIGTERM):
            self.done[kind] += 1

    def _set_clock(self, fault: Fault) -> Undo:
        clock = self._clocks[fault.target % len(self._clocks)]
        clock.set(fault.late_s)
        self.done[fault.kind] += 1
        return partial(clock.set, 0)

    def _strike_link(self, fault: Fault) -> Undo:
        names = list(self._where.links)
        name = names[fault.target % len(names)]
        links, proxy = self._where.links[name], self._where.proxy
        self.links[fault.kind, f"{name}, {fault.act}" if fault.act else name] += 1
        self.done[fault.kind] += 1
        held = sum(link.held for link in links)
        for link in links:
            match fault.kind:
                case Kind.CUT:
                    proxy.tell(link.cut)
                case Kind.DELAY:
                    proxy.tell(partial(link.delay, _DELAY_S))
                case _:
                    proxy.tell(partial(link.hold, *filter(None, [fault.act])))

        def heal() -> None:
            for link in links:
                proxy.tell(link.heal)
            self.seen[fault.kind] += sum(link.held for link in links) - held

        return heal

    def _strike_request(self, fault: Fault) -> Undo:
        """Set a trap for the next request of an API, whoever's it is; what it catches arrives a little later."""
        trap = Trap(Api[fault.step], Act(fault.act), after_s=fault.late_s)
        self._where.proxy.tell(partial(self._where.traps.set, trap))

        def undo() -> None:
            if trap.caught.is_set():
                self.done[fault.kind] += 1
                self.links[fault.kind, f"{fault.step} {fault.act}"] += 1
            self._where.proxy.start(self._where.traps.remove(trap))

        return undo

    def _reset_one(self, number: int) -> None:
        links = self._where.trapped
        self._where.proxy.tell(links[number % len(links)].reset_one)
        self.done[Kind.RESET] += 1

    def _drop_flow(self, number: int) -> Undo | None:
        flows = [Flow(port, link.port) for link in self._where.trapped for port in self._where.proxy.ask(link.clients)]
        if not flows:
            return None
        flow = flows[number % len(flows)]
        flow.drop()
        self.done[Kind.FLOW] += 1
        return flow.heal

    def _operate(self, fault: Fault) -> Undo | None:
        """Do what operators do, or see, of Kafka's nodes."""
        match fault.kind:
            case Kind.LEADERS:
                self._move_leaders(self._topics[fault.target % len(self._topics)])
                return None
            case Kind.DISK:
                return self._fill_disk(fault.target % len(self._where.disks))
            case Kind.UPGRADE:
                self.done[fault.kind] += 1
                return self._upgradable.upgrade(fault.target + 1)
            case _:
                self.done[fault.kind] += 1
                return self._upgradable.raise_level()

    def _fill_disk(self, place: int) -> Undo:
        disk, number = self._where.disks[place], place + 1
        disk.fill()
        self.done[Kind.DISK] += 1

        def undo() -> None:
            self.seen[Kind.DISK] += disk.free()
            self._cluster.kill(number)  # a node uses a folder again that has failed only once it is started anew
            self._cluster.launch()

        return undo

    def _move_leaders(self, topic: str) -> None:
        with suppress(KafkaException, OSError):  # nobody answers just now
            self.seen[Kind.LEADERS] += leaders.move(self._where.kafka, topic)
            self.done[Kind.LEADERS] += 1

    def _strike_nodes(self, cluster: Cluster, fault: Fault) -> Undo:
        victims = [1, 2, 3] if fault.kind is Kind.ALL_NODES else [self._victim(fault)]
        self.done[fault.kind] += 1
        for number in victims:
            cluster.kill(number)
        return cluster.launch

    def _victim(self, fault: Fault) -> int:
        found = None
        with suppress(KafkaException, KeyError):
            if fault.kind is Kind.GROUP_NODE:
                found = ground.leader(self._where.kafka, "__consumer_offsets", self._group)
            elif fault.kind is Kind.TRANSACTION_NODE:
                name = self._transactional_ids[fault.target % len(self._transactional_ids)]
                found = ground.leader(self._where.kafka, "__transaction_state", name)
        return found if found and found > 0 else fault.target  # -1: it has no leader just now

    def _strike_store(self, valkey: Store, kind: Kind) -> Undo:
        self.done[kind] += 1
        if kind in {Kind.STORE_KILL, Kind.STORE_EMPTY}:
            valkey.kill()
            if kind is Kind.STORE_EMPTY:
                valkey.wipe()
            return valkey.launch
        if kind is Kind.STORE_FREEZE:
            valkey.freeze()
            return valkey.thaw
        ill, well = _COMMANDS[kind]
        self._tell_store(ill)
        return lambda: self._tell_store(well)

    def _tell_store(self, command: Sequence[str]) -> None:
        with redis.Redis.from_url(self._where.redis) as client:
            client.execute_command(*command)


_COMMANDS: Final[dict[Kind, tuple[Sequence[str], Sequence[str]]]] = {
    Kind.STORE_FULL: (("CONFIG", "SET", "maxmemory", _FULL), ("CONFIG", "SET", "maxmemory", "0")),
    Kind.STORE_READ_ONLY: (("REPLICAOF", *_DEAD_HOST), ("REPLICAOF", "NO", "ONE")),
    Kind.STORE_NO_REPLICAS: (
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
}


def aim_file(folder: Path, worker: str) -> Path:
    """Return where a worker finds its aim."""
    return folder / f"{worker}.aim"
