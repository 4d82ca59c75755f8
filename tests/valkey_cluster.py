"""A Valkey cluster of several nodes on the loopback address, with the operations that hurt or reshape it.

Owns: starting and ending nodes, failover, moving slots. Nodes are numbered from 0 in the order in which they were made;
the first `primaries` of them begin as primaries with an equal share of the slots, and the rest as their replicas.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import redis

from daymark.local import ports
from tests.faults.embedded import Store

SLOTS = 16384
NODE_TIMEOUT_MS = 2000
_SETTLE_S = 60.0
_SETTINGS = {
    "cluster-enabled": "yes",
    "cluster-node-timeout": str(NODE_TIMEOUT_MS),
    "cluster-replica-validity-factor": "0",  # a replica may take over however old its link is
    "cluster-allow-replica-migration": "no",  # replicas stay with their primary, whatever slots it loses
    "repl-diskless-sync-delay": "0",
    "appendfsync": "no",  # a kill loses no call that was answered: writes never wait for an fsync
}


class Shard(NamedTuple):
    """Some slots, and the nodes that hold them."""

    slots: range
    primary: int
    replicas: list[int]


class ValkeyCluster:
    """Primaries, replicas, and what can happen to them."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        """Make a cluster without nodes; `settings` are of each node, over ours."""
        self._folder = folder
        self._settings = _SETTINGS | dict(settings or {})
        self.nodes: list[Store] = []

    @classmethod
    @contextmanager
    def running(cls, folder: Path, primaries: int = 3, replicas: int = 3, **options: Any) -> "Iterator[ValkeyCluster]":
        """Run a cluster that serves all slots."""
        cluster = cls(folder, **options)
        try:
            cluster._form(primaries, replicas)
            yield cluster
        finally:
            for node in cluster.nodes:
                node.kill()

    @property
    def url(self) -> str:
        """A URL that names every node there is now."""
        return self.url_of(*range(len(self.nodes)))

    def url_of(self, *numbers: int) -> str:
        """A URL that names some nodes."""
        return "redis+cluster://" + ",".join(f"{ports.LOOPBACK}:{self.port(number)}" for number in numbers)

    def port(self, number: int) -> int:
        port = urlsplit(self.nodes[number].url).port
        assert port
        return port

    def client(self, number: int) -> "redis.Redis":
        """Return a client of one node."""
        return redis.Redis.from_url(self.nodes[number].url, socket_timeout=30, protocol=2)

    def ask(self, number: int, *command: Any) -> Any:
        """Give one node a command."""
        with self.client(number) as client:
            return client.execute_command(*command)

    def add(self) -> int:
        """Add a node that holds no slot, and return its number once it and a primary know of each other."""
        number = self._start()
        for one in (number, self.shards()[0].primary):
            self.wait(partial(self._knows, one, number), "the new node is known")
        self.wait_served(number)
        return number

    def _start(self) -> int:
        settings = self._settings | {"cluster-port": str(ports.choose())}
        node = Store(self._folder / f"node-{len(self.nodes)}", settings=settings)
        node.start()
        self.nodes.append(node)
        number = len(self.nodes) - 1
        if number:
            with self.client(0) as first:
                bus = int(first.config_get("cluster-port")["cluster-port"])
            self.ask(number, "CLUSTER", "MEET", ports.LOOPBACK, self.port(0), bus)
        return number

    def shards(self, seen_by: int = 0) -> list[Shard]:
        """Return who holds what, as a node sees it."""
        numbers = {self.port(number): number for number in range(len(self.nodes))}
        return [
            Shard(range(first, last + 1), numbers[primary[1]], [numbers[replica[1]] for replica in replicas])
            for first, last, primary, *replicas in self.ask(seen_by, "CLUSTER", "SLOTS")
        ]

    def holder(self, slot: int, seen_by: int = 0) -> int:
        """Return the number of the primary of a slot."""
        return next(shard.primary for shard in self.shards(seen_by) if slot in shard.slots)

    def another(self, slot: int) -> int:
        """Return the number of a primary that does not hold a slot."""
        holder = self.holder(slot)
        return next(shard.primary for shard in self.shards() if shard.primary != holder)

    def demote(self, primary: int) -> int:
        """Fail over from a primary to one of its replicas, without loss; return the replica's number."""
        replica = self.replica_of(primary, primary)
        self.ask(replica, "CLUSTER", "FAILOVER")
        self.wait(lambda: self.is_primary(replica), "the replica has taken over")
        return replica

    def freeze_shard(self, slot: int) -> list[int]:
        """Freeze the primary of a slot and its replicas, and return their numbers."""
        shard = next(shard for shard in self.shards() if slot in shard.slots)
        found = [shard.primary, *shard.replicas]
        for number in found:
            self.nodes[number].freeze()
        return found

    def heal(self) -> None:
        """Let every node run again, and return when all slots are served and replicas have caught up."""
        for node in self.nodes:
            node.thaw()
            node.start()
        for number in range(len(self.nodes)):
            self.wait_served(number)
            self.wait(partial(self._in_sync, number), "the replicas are in sync")

    def is_primary(self, number: int) -> bool:
        return bool(self.ask(number, "ROLE")[0] == b"master")

    def replica_of(self, primary: int, seen_by: int) -> int:
        """Return the number of a replica of a primary, once the node that is asked knows of one."""

        def found() -> list[int]:
            return next((shard.replicas for shard in self.shards(seen_by) if shard.primary == primary), [])

        self.wait(lambda: bool(found()), "a replica is known")
        return found()[0]

    def begin_move(self, slot: int, to: int, keys: int | None = None) -> int:
        """Move a slot's keys by MIGRATE, all or the first few, and leave the slot half-way; return its old holder."""
        old = self.holder(slot, to)
        self.ask(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.name(old))
        self.ask(old, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.name(to))
        while found := self.ask(old, "CLUSTER", "GETKEYSINSLOT", slot, min(keys or 1000, 1000)):
            self.ask(old, "MIGRATE", ports.LOOPBACK, self.port(to), "", 0, 5000, "KEYS", *found)
            if keys is not None and (keys := keys - len(found)) <= 0:
                break
        return old

    def end_move(self, slot: int, old: int, to: int) -> None:
        """Move the rest of a slot's keys, and give the slot to its new holder."""
        while found := self.ask(old, "CLUSTER", "GETKEYSINSLOT", slot, 1000):
            self.ask(old, "MIGRATE", ports.LOOPBACK, self.port(to), "", 0, 5000, "KEYS", *found)
        for number in [to, old, *(n for n in range(len(self.nodes)) if n not in {old, to})]:
            with suppress(redis.RedisError):  # a replica learns of it from its primary
                self.ask(number, "CLUSTER", "SETSLOT", slot, "NODE", self.name(to))

    def migrate_slots(self, slots: range, to: int) -> None:
        """Move slots as Valkey 9 does by itself, and return when they are there."""
        old = self.holder(slots[0], to)
        self.ask(old, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slots[0], slots[-1], "NODE", self.name(to))
        self.wait(lambda: self.holder(slots[0], to) == to, "the slots have moved")

    def name(self, number: int) -> str:
        return str(self.ask(number, "CLUSTER", "MYID").decode())

    def wait_served(self, seen_by: int = 0) -> None:
        """Return when a node takes the cluster to serve all slots."""

        def served() -> bool:
            with suppress(redis.RedisError):
                return b"cluster_state:ok" in self.ask(seen_by, "CLUSTER", "INFO")
            return False

        self.wait(served, "all slots are served")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition of the cluster holds."""
        deadline = time.monotonic() + _SETTLE_S
        while not condition():
            assert time.monotonic() < deadline, f"in {_SETTLE_S} s it did not come true that {what}"
            time.sleep(0.02)

    def _form(self, primaries: int, replicas: int) -> None:
        everybody = [self._start() for _ in range(primaries + replicas)]
        for number in range(primaries):
            self.ask(number, "CLUSTER", "ADDSLOTSRANGE", *_share(number, primaries))
        for one in everybody:
            for other in everybody:
                self.wait(partial(self._knows, one, other), "each node knows the others")
        for number in range(primaries, primaries + replicas):
            self.ask(number, "CLUSTER", "REPLICATE", self.name(number % primaries))
        for number in everybody:
            self.wait_served(number)
        self.wait(lambda: sum(len(shard.replicas) for shard in self.shards()) == replicas, "the replicas are known")
        for number in range(primaries, primaries + replicas):
            self.wait(partial(self._in_sync, number), "the replicas are in sync")

    def _in_sync(self, number: int) -> bool:
        role = self.ask(number, "ROLE")
        return bool(role[0] == b"master" or role[3] == b"connected")

    def _knows(self, one: int, other: int) -> bool:
        known = [line.split() for line in self.ask(one, "CLUSTER", "NODES").decode().splitlines()]
        return any(words[0] == self.name(other) and words[7] == "connected" for words in known)


def _share(number: int, primaries: int) -> tuple[int, int]:
    return number * SLOTS // primaries, (number + 1) * SLOTS // primaries - 1
