"""Three brokers: who leads and coordinates what, and which rule each request meets. They replicate perfectly."""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Any, Final, NamedTuple

from schemas import lanes
from tests.world.blind import Memory
from tests.world.classic import Classic
from tests.world.modern import Modern
from tests.world.network import Network, Reply
from tests.world.offsets import Offsets
from tests.world.requests import (
    AddOffsetsToTxn,
    AddPartitionsToTxn,
    EndTxn,
    Fetch,
    Heartbeat,
    InitProducerId,
    Join,
    Leave,
    ListOffsets,
    Membership,
    ModernHeartbeat,
    OffsetCommit,
    OffsetFetch,
    Produce,
    Refused,
    Sync,
    TxnOffsetCommit,
)
from tests.world.transactions import OFFSETS, Transactions

NODES: Final = 3
RAW: Final = "raw"  # the role of leading a partition of the raw topic
_ELECTION_S: Final = (0.1, 1.0)
_SWEEP_S: Final = 0.5
_LONG_POLL_S: Final = 20.0
_WRITTEN: Final = (InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, TxnOffsetCommit, OffsetCommit, Sync)
Role = tuple[str, object]


class Parked:
    """Whether a parked fetch was answered."""

    past = False


class Raw(NamedTuple):
    """A raw record as a consumer gets it; of which topic, the number of its partition says (`schemas.lanes`)."""

    partition: int
    offset: int
    value: bytes
    workspace: str
    at_ms: int


class Node:
    """A broker's process."""

    def __init__(self, cluster: "Cluster", number: int) -> None:
        self.name, self.up, self.number = f"node-{number}", True, number
        self.memory: Memory | None = None  # while it has lost sight of the others
        self.full = False  # its disk: what would be written is refused, until it ends itself
        self._cluster = cluster

    def take(self, request: Any, reply: Reply) -> None:
        """Take a request."""
        self._cluster.take(self, request, reply)


class Cluster:
    """The brokers together. `modern`: the group is divided by KIP-848; `lane`: there is a topic for backfills."""

    def __init__(self, network: Network, partitions: int, *, modern: bool, session_s: float, lane: bool) -> None:
        self.kernel, self.network, self.partitions = network.kernel, network, partitions
        self.nodes = [Node(self, number) for number in range(NODES)]
        numbers = [*range(partitions), *(lanes.BACKFILL + partition for partition in range(partitions if lane else 0))]
        self.raw: dict[int, list[Raw]] = {number: [] for number in numbers}
        self.offsets = Offsets()
        self.transactions = Transactions(self.kernel, network.seed, self.offsets.end)
        self.classic = Classic(self.kernel)
        self.modern = Modern(self.kernel, partitions, session_s)
        self._is_modern = modern
        self._random = Random(f"cluster {network.seed}")
        self._views = Random(f"views {network.seed}")  # who is asked where to go, while nodes do not agree
        self._where: dict[Role, Node] = {}
        self._loading: dict[Role, float] = {}
        self._parked: dict[int, list[tuple[Fetch, Reply, Parked]]] = {number: [] for number in numbers}
        self._handlers: dict[type, Callable[[Any, Reply], Any]] = {
            InitProducerId: lambda request, _: self.transactions.init(request),
            AddPartitionsToTxn: lambda request, _: self.transactions.add(request),
            AddOffsetsToTxn: lambda request, _: self.transactions.add(request),
            EndTxn: lambda request, _: self.transactions.end(request),
            Produce: lambda request, _: self._produce(request),
            TxnOffsetCommit: lambda request, _: self._offsets(request),
            OffsetCommit: lambda request, _: self._commit(request),
            OffsetFetch: lambda request, _: self.offsets.fetch(request),
            Join: self._waits(self.classic.join),
            Sync: self._waits(self.classic.sync),
            Heartbeat: lambda request, _: self.classic.heartbeat(request),
            Leave: lambda request, _: self.classic.leave(request),
            ModernHeartbeat: lambda request, _: self.modern.heartbeat(request),
            Fetch: self._waits(self._fetch),
            ListOffsets: lambda request, _: (0, len(self.raw[request.partition])),
        }
        self.kernel.after(_SWEEP_S, self._sweep)

    def role(self, request: Any) -> Role:
        """Return whose request it is: a coordinator's, or a leader's."""
        match request:
            case InitProducerId() | AddPartitionsToTxn() | AddOffsetsToTxn() | EndTxn():
                return "transactions", request.tid
            case Produce():
                return "leader", request.place
            case Fetch() | ListOffsets():
                return RAW, request.partition
        return "group", 0

    def where(self, role: Role) -> Node:
        """Return the node that has a role."""
        if role not in self._where:
            self._where[role] = self._random.choice(self.nodes)
        return self._where[role]

    def told(self, role: Role) -> Node:
        """Return the node that has a role, as some node says: one that sees no other tells what it knew."""
        if all(node.memory is None for node in self.nodes):
            return self.where(role)
        memory = self._views.choice([node for node in self.nodes if node.up]).memory
        found = memory.where.get(role) if memory else None
        return found if found and found.up else self.where(role)

    def take(self, node: Node, request: Any, reply: Reply) -> None:
        """Let a node take a request."""
        role = self.role(request)
        try:
            if node.memory and node.memory.where.get(role) is node:
                reply(node.memory.answer(request))
                return
            self._check_role(node, role)
            _check_disk(node, request)
            answer = self._handlers[type(request)](request, reply)
        except Refused as refused:
            reply(refused)
        else:
            if answer is not reply:
                reply(answer)

    def append(self, partition: int, value: bytes, workspace: str, at_ms: int) -> Raw:
        """Append a raw record, as ingest does."""
        log = self.raw[partition]
        log.append(Raw(partition, len(log), value, workspace, at_ms))
        parked, self._parked[partition] = self._parked[partition], []
        for request, reply, is_over in parked:
            if not is_over.past:
                is_over.past = True
                reply((log[request.offset : request.offset + request.most], len(log)))
        return log[-1]

    def set_back(self, offsets: Mapping[int, int]) -> None:
        """Set the group's offsets back, as an operator does.

        Raises:
            Refused: the group has members, or a transaction is about to change an offset.
        """
        if (self.modern if self._is_modern else self.classic).members:
            raise Refused("UNKNOWN_MEMBER_ID")
        if self.offsets.pending:
            raise Refused("UNSTABLE_OFFSET_COMMIT")
        self.offsets.committed |= offsets

    @property
    def moves_since_s(self) -> float:
        """When the group began to divide its partitions anew, the last time."""
        return (self.modern if self._is_modern else self.classic).moves_since_s

    # Faults.

    def crash(self, node: Node) -> None:
        """Kill a node; another takes over what it led after an election."""
        node.up, node.memory = False, None
        self.network.down(node)
        self.kernel.after(self._random.uniform(*_ELECTION_S), partial(self._elect, node))

    def start(self, node: Node) -> None:
        """Start it again."""
        node.up = True

    def move(self, role: Role, loading_s: float = 0.0) -> None:
        """Give a role to another node that is up; it is unavailable while it loads."""
        others = [node for node in self.nodes if node.up and not node.memory and node is not self.where(role)]
        if others:
            self._where[role] = self._random.choice(others)
        self._loading[role] = self.kernel.now + loading_s
        if role[0] == "group":
            self.classic.moved()
            self.modern.moved()

    @property
    def roles(self) -> list[Role]:
        """All roles that are taken."""
        return list(self._where)

    def blind(self, node: Node) -> None:
        """Let a node lose sight of the others: what it led goes to them after an election, unheard by it."""
        node.memory = Memory(self._where, self.offsets)
        self.kernel.after(self._random.uniform(*_ELECTION_S), partial(self._elect, node))

    def grow(self) -> None:
        """Add a partition to the raw topic, and to that of a backfill, if there is one."""
        has_lane = lanes.BACKFILL in self.raw
        for number in [self.partitions, *([lanes.BACKFILL + self.partitions] if has_lane else [])]:
            self.raw[number], self._parked[number] = [], []
        self.partitions += 1
        self.modern.grow(self.partitions)

    def _elect(self, node: Node) -> None:
        if not node.up or node.memory:
            for role in [role for role, holder in self._where.items() if holder is node]:
                self.move(role, self._random.uniform(*_ELECTION_S))

    # Rules.

    def _check_role(self, node: Node, role: Role) -> None:
        if self.where(role) is not node:
            raise Refused("NOT_LEADER_FOR_PARTITION" if role[0] in {RAW, "leader"} else "NOT_COORDINATOR")
        if self._loading.get(role, 0.0) > self.kernel.now:
            raise Refused("COORDINATOR_LOAD_IN_PROGRESS")

    def _waits(self, handle: Callable[[Any, Reply], None]) -> Callable[[Any, Reply], Any]:
        def handled(request: Any, reply: Reply) -> Reply:
            handle(request, reply)
            return reply

        return handled

    def _produce(self, request: Produce) -> None:
        verify = partial(self.transactions.verify, request.tid, request.pid, request.epoch, request.place)
        self.transactions.log(request.place).append(request, verify)

    def _offsets(self, request: TxnOffsetCommit) -> None:
        verify = partial(self.transactions.verify, request.tid, request.pid, request.epoch, OFFSETS)
        self.offsets.take(request, verify, self._check)

    def _commit(self, request: OffsetCommit) -> None:
        self._check(request.membership, request.offsets)
        self.offsets.committed |= request.offsets

    def _check(self, membership: Membership, offsets: Mapping[int, int]) -> None:
        (self.modern if self._is_modern else self.classic).check(membership, offsets)

    def _fetch(self, request: Fetch, reply: Reply) -> None:
        log = self.raw[request.partition]
        if request.offset < len(log):
            reply((log[request.offset : request.offset + request.most], len(log)))
            return
        is_over = Parked()
        parked = [one for one in self._parked[request.partition] if not one[2].past]
        self._parked[request.partition] = [*parked, (request, reply, is_over)]
        self.kernel.after(_LONG_POLL_S, partial(self._nothing, reply, is_over, len(log)))

    @staticmethod
    def _nothing(reply: Reply, is_over: Parked, end: int) -> None:
        if not is_over.past:
            is_over.past = True
            reply(([], end))

    def _sweep(self) -> None:
        self.transactions.sweep()
        (self.modern if self._is_modern else self.classic).sweep()
        self.kernel.after(_SWEEP_S, self._sweep)


def _check_disk(node: Node, request: Any) -> None:
    """Refuse what a broker without room cannot write."""
    if not node.full:
        return
    if isinstance(request, Produce):
        raise Refused("KAFKA_STORAGE_ERROR")
    joins = isinstance(request, ModernHeartbeat) and request.membership.epoch == 0
    if joins or isinstance(request, _WRITTEN):
        raise Refused("NOT_COORDINATOR")
