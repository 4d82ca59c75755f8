"""What the claim-and-commit protocol's parts know: the state of its exhaustive model, and the rules of Kafka's side.

Everything is immutable: a step returns another state. Three events, all of one contact on one day; two partitions, two
workers, each with a transactional id of its own. A transaction is one step's worth of truth: how brokers agree among
themselves is Kafka's own proof.
"""

from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

Event: TypeAlias = tuple[int, int]  # partition and offset
Days: TypeAlias = tuple[tuple[int, ...], ...]  # of each partition the contact-day of each event, by offset
Offsets: TypeAlias = tuple[int, ...]  # by partition; -1: none

WORKERS: Final = (0, 1)
PARTITIONS: Final = (0, 1)
NONE: Final[Offsets] = (-1, -1)


class Api(StrEnum):
    """What a worker asks: a producer epoch, claims, then the requests of one transaction, in their order."""

    INIT = "InitProducerId"
    CLAIM = "the claim"
    ADD_PARTITIONS = "AddPartitionsToTxn"
    PRODUCE = "Produce"
    ADD_OFFSETS = "AddOffsetsToTxn"
    OFFSETS = "TxnOffsetCommit"
    PLAIN_OFFSETS = "OffsetCommit"  # outside of any transaction: only without the remedy
    COMMIT = "EndTxn(commit)"
    ABORT = "EndTxn(abort)"


class Request(NamedTuple):
    """A request as it is on the wire. Before KIP-890 nothing in it says which transaction of an epoch it belongs to."""

    api: Api
    worker: int
    epoch: int
    generation: int
    outputs: tuple[Event, ...]
    offsets: Offsets
    repeated: bool = False  # the driver has sent it again, and that copy arrived

    def __str__(self) -> str:
        return f"{self.api} of worker {self.worker}, epoch {self.epoch}"


class Transaction(NamedTuple):
    """What the coordinator and the partitions know of one transactional id."""

    epoch: int = 0
    ongoing: bool = False
    with_outputs: bool = False  # an output partition was added
    with_offsets: bool = False  # the group's offsets were added
    outputs: tuple[Event, ...] = ()
    offsets: Offsets = NONE


class Worker(NamedTuple):
    """One process. `step` is the number of requests of its transaction that are answered, after a batch and a claim."""

    phase: str = "down"  # down, idle, read, unproven (only with a fence), claimed
    epoch: int = 0
    generation: int = -1
    positions: Offsets = NONE  # of the partitions that it holds, where it reads on
    batch: tuple[Event, ...] = ()
    outputs: tuple[Event, ...] = ()
    step: int = 0
    doubtful: bool = False  # a connection broke under a request: a copy may arrive late
    marked: bool = False  # the store has acknowledged a mark of this process
    connected: int = 0  # to which life of the store's server


class Left(NamedTuple):
    """How much may still go wrong."""

    crashes: int = 0
    rebalances: int = 0
    late: int = 0
    aborts: int = 0
    losses: int = 0  # the store comes back empty
    failovers: int = 0  # it loses what was written last
    flushes: int = 0  # its keys are deleted, and connections live on

    @property
    def lossy(self) -> int:
        """How often the store may lose keys."""
        return self.losses + self.failovers + self.flushes


class Store(NamedTuple):
    """What the store knows. `token` and `life` matter to fences only."""

    claims: tuple[Event | None, ...]  # of each contact-day the event that owns it
    marks: tuple[bool, ...]  # of each worker: whether its newest acknowledged call is here
    token: int = -1  # the highest generation that was here
    life: int = 0  # of the server: how often it was replaced


class World(NamedTuple):
    """Everything."""

    workers: tuple[Worker, ...]
    transactions: tuple[Transaction, ...]
    generation: int
    owners: tuple[int, ...]  # who holds each partition, as the group has it
    committed: Offsets
    emitted: tuple[Event, ...]  # what a read_committed reader sees, sorted
    store: Store
    past: frozenset[Store]  # what the store was, as far as it may come back
    late: Request | None
    left: Left


Step: TypeAlias = tuple[str, World]


class Refused(Exception):
    """A broker says no: a stale epoch or generation, or a transaction that it does not know of."""


def apply(world: World, request: Request, *, members: bool = True, verified: bool = True) -> World:
    """Let a request arrive.

    Args:
        world: as it is.
        request: what arrives, in time or late.
        members: the group compares the request's generation with its own.
        verified: partitions accept only what an ongoing transaction has announced (the first part of KIP-890:
            Kafka 3.6, and 3.7 for offsets).

    Raises:
        Refused: nothing has changed.
    """
    transaction = world.transactions[request.worker]
    if request.api is Api.PLAIN_OFFSETS:
        _check_member(world, request, members=members)
        return world._replace(committed=_over(world.committed, request.offsets))
    if request.api is Api.INIT:
        return begin_epoch(world, request.worker)
    if request.epoch != transaction.epoch:
        raise Refused("a newer producer has fenced this one")
    if request.api in {Api.COMMIT, Api.ABORT}:
        return _end(world, request.worker, commit=request.api is Api.COMMIT)
    after = _within(world, transaction, request, members=members, verified=verified)
    return world._replace(transactions=put(world.transactions, request.worker, after))


def _within(world: World, transaction: Transaction, request: Request, *, members: bool, verified: bool) -> Transaction:
    after = transaction
    match request.api:
        case Api.ADD_PARTITIONS:
            after = transaction._replace(ongoing=True, with_outputs=True)
        case Api.ADD_OFFSETS:
            after = transaction._replace(ongoing=True, with_offsets=True)
        case Api.PRODUCE:
            if verified and not transaction.with_outputs:
                raise Refused("no transaction has announced this partition")
            if not request.repeated:  # told by its sequence number
                after = transaction._replace(outputs=transaction.outputs + request.outputs)
        case Api.OFFSETS:
            _check_member(world, request, members=members)
            if verified and not transaction.with_offsets:
                raise Refused("no transaction has announced the group's offsets")
            after = transaction._replace(offsets=_over(transaction.offsets, request.offsets))
    return after


def _check_member(world: World, request: Request, *, members: bool) -> None:
    if members and request.generation != world.generation:
        raise Refused("the group has gone on without this member")


def begin_epoch(world: World, worker: int) -> World:
    """Answer InitProducerId: what is open is aborted, and every older producer of the id is fenced."""
    world = _end(world, worker, commit=False)
    transaction = world.transactions[worker]
    epoch = transaction._replace(epoch=transaction.epoch + 1)
    return world._replace(transactions=put(world.transactions, worker, epoch))


def _end(world: World, worker: int, *, commit: bool) -> World:
    transaction = world.transactions[worker]
    if not transaction.ongoing:  # such a request is answered, and changes nothing
        return world
    if commit:
        world = world._replace(
            emitted=tuple(sorted(world.emitted + transaction.outputs)),
            committed=_over(world.committed, transaction.offsets),
        )
    return world._replace(transactions=put(world.transactions, worker, Transaction(transaction.epoch)))


def put(values: tuple, index: int, value: object) -> tuple:  # type: ignore[type-arg]
    """Return a tuple with one value replaced."""
    return (*values[:index], value, *values[index + 1 :])


def _over(before: Offsets, after: Offsets) -> Offsets:
    return tuple(old if new < 0 else new for old, new in zip(before, after, strict=True))
