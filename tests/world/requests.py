"""What the drivers ask and the brokers answer: the fields that the rules look at, and the errors by Kafka's names."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Membership(NamedTuple):
    """What a consumer knows of itself in its group; blank: it never joined, or its driver knows that it is lost."""

    member: str = ""
    epoch: int = -1
    instance: str | None = None


class InitProducerId(NamedTuple):
    tid: str
    timeout_s: float
    pid: int = -1  # with an epoch: of a producer that has one already
    epoch: int = -1


class AddPartitionsToTxn(NamedTuple):
    tid: str
    pid: int
    epoch: int
    places: Sequence[tuple[str, int]]


class AddOffsetsToTxn(NamedTuple):
    tid: str
    pid: int
    epoch: int


class Produce(NamedTuple):
    tid: str
    pid: int
    epoch: int
    place: tuple[str, int]
    sequence: int
    records: Sequence[Any]


class TxnOffsetCommit(NamedTuple):
    tid: str
    pid: int
    epoch: int
    membership: Membership
    offsets: Mapping[int, int]


class EndTxn(NamedTuple):
    tid: str
    pid: int
    epoch: int
    commit: bool


class Join(NamedTuple):
    """JoinGroup: `owned` are the partitions that a cooperative member still has."""

    member: str
    instance: str | None
    session_s: float
    rebalance_s: float
    assignor: str
    owned: frozenset[int]


class Sync(NamedTuple):
    """SyncGroup: the leader brings everybody's share, the others nothing."""

    membership: Membership
    shares: Mapping[str, frozenset[int]]


class Heartbeat(NamedTuple):
    membership: Membership


class ModernHeartbeat(NamedTuple):
    """ConsumerGroupHeartbeat (KIP-848): epoch 0 joins, -1 leaves, -2 leaves for a moment (a static member)."""

    membership: Membership
    owned: frozenset[int]
    rebalance_s: float


class Leave(NamedTuple):
    membership: Membership


class OffsetFetch(NamedTuple):
    partitions: frozenset[int]
    member: str = ""  # whose driver asks; empty: of none


class OffsetCommit(NamedTuple):
    """Outside of any transaction; no worker does it, but a broken one."""

    membership: Membership
    offsets: Mapping[int, int]


class Fetch(NamedTuple):
    """Of one partition of the raw topic, from an offset on; waits for records."""

    partition: int
    offset: int
    most: int


class ListOffsets(NamedTuple):
    """Where the log of a partition of the raw topic begins and ends."""

    partition: int


class Refused(Exception):
    """A broker says no, by the name of its error code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Joined(NamedTuple):
    """The answer to a Join."""

    membership: Membership
    leader: bool
    members: Mapping[str, frozenset[int]]  # for the leader: who there is, and what each still has
    share: frozenset[int] | None = None  # of a static member that came back: no rebalance, this is what it had


class Share(NamedTuple):
    """The answer to a ModernHeartbeat: an epoch, and the partitions that may be had now."""

    epoch: int
    partitions: frozenset[int]
    heartbeat_s: float
