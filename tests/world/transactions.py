"""The transaction coordinator, and the logs that it ends them in: the rules before KIP-890's second part.

A request names an id and an epoch of a producer, and no transaction: an old one of the same epoch counts for the one
under way. docs/simulated-world.md has the rules with their sources.
"""

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Final, NamedTuple

from processor.records import Output
from tests.world.kernel import Kernel
from tests.world.requests import AddOffsetsToTxn, AddPartitionsToTxn, EndTxn, InitProducerId, Produce, Refused

OFFSETS: Final = ("__consumer_offsets", 0)  # the group's place among those that a transaction writes to
_MARKER_S: Final = (0.001, 0.02)
_ENDING: Final = {"PrepareCommit", "PrepareAbort"}
Place = tuple[str, int]


class Decision:
    """A transaction that was decided to be committed, and what it turns out to hold once its markers are written."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []
        self.offsets: dict[int, int] = {}
        self.is_done = False


class Transaction:
    """What the coordinator knows of one transactional id."""

    def __init__(self, pid: int, timeout_s: float) -> None:
        self.pid, self.epoch, self.last_epoch, self.timeout_s = pid, 0, -1, timeout_s
        self.state = "Empty"
        self.places: set[Place] = set()
        self.began_s = 0.0

    def bump(self) -> None:
        self.last_epoch, self.epoch = self.epoch, self.epoch + 1


class _Producer(NamedTuple):
    """What a log knows of a producer: the epoch that wrote last, and the sequence number that comes next."""

    epoch: int
    following: int


class Log:
    """One partition of an output topic."""

    def __init__(self) -> None:
        self.open: dict[int, list[Output]] = {}  # by producer: what is neither committed nor aborted
        self.producers: dict[int, _Producer] = {}

    def append(self, request: Produce, verify: Callable[[], None]) -> None:
        """Take a batch, unless it was taken before.

        Raises:
            Refused: a newer producer wrote here, a batch is missing, or no transaction has announced this partition.
        """
        known = self.producers.get(request.pid, _Producer(-1, 0))
        if request.epoch < known.epoch:
            raise Refused("INVALID_PRODUCER_EPOCH")
        if request.pid not in self.open:
            verify()
        following = known.following if request.epoch == known.epoch else 0
        if request.sequence < following:
            return
        if request.sequence > following:
            raise Refused("OUT_OF_ORDER_SEQUENCE_NUMBER")
        self.producers[request.pid] = _Producer(request.epoch, request.sequence + len(request.records))
        self.open.setdefault(request.pid, []).extend(request.records)

    def end(self, pid: int, epoch: int) -> list[Output]:
        """Take a marker, and return what it ends."""
        known = self.producers.get(pid, _Producer(-1, 0))
        self.producers[pid] = known if known.epoch == epoch else _Producer(epoch, 0)
        return self.open.pop(pid, [])


class Transactions:
    """All transactional ids."""

    def __init__(self, kernel: Kernel, seed: int, end_offsets: Callable[[int, int, bool], Mapping[int, int]]) -> None:
        """Begin without any; `end_offsets` takes the group's marker, and returns the offsets that it commits."""
        self._kernel, self._random, self._end_offsets = kernel, Random(f"markers {seed}"), end_offsets
        self.known: dict[str, Transaction] = {}
        self.logs: dict[Place, Log] = {}
        self.decided: list[Decision] = []
        self.marker_stall_s = 0.0  # while brokers are away, markers wait
        self._by_pid: dict[int, Transaction] = {}

    def log(self, place: Place) -> Log:
        """Return a partition's log."""
        return self.logs.setdefault(place, Log())

    def init(self, request: InitProducerId) -> tuple[int, int]:
        """Begin an epoch: what is open is aborted first."""
        found = self.known.get(request.tid)
        if found is None:
            found = self.known[request.tid] = Transaction(1000 + len(self.known), request.timeout_s)
            self._by_pid[found.pid] = found
            return found.pid, found.epoch
        is_ours = request.pid == found.pid and request.epoch in {found.epoch, found.last_epoch}
        if request.pid >= 0 and not is_ours:
            raise Refused("INVALID_PRODUCER_EPOCH")
        if found.state == "Ongoing":
            self._fence(request.tid, found)
        if found.state in _ENDING:
            raise Refused("CONCURRENT_TRANSACTIONS")
        if request.pid < 0 or request.epoch == found.epoch:
            found.bump()
        found.state, found.timeout_s = "Empty", request.timeout_s
        return found.pid, found.epoch

    def add(self, request: AddPartitionsToTxn | AddOffsetsToTxn) -> None:
        """Begin a transaction, if none is under way, and announce partitions."""
        found = self._checked(request)
        if found.state in _ENDING:
            raise Refused("CONCURRENT_TRANSACTIONS")
        if found.state != "Ongoing":
            found.state, found.places, found.began_s = "Ongoing", set(), self._kernel.now
        found.places |= {OFFSETS} if isinstance(request, AddOffsetsToTxn) else set(request.places)

    def end(self, request: EndTxn) -> None:
        """End the transaction that is under way, whichever it is."""
        found = self._checked(request)
        way = "Commit" if request.commit else "Abort"
        if found.state == f"Complete{way}":
            return
        if found.state in _ENDING:
            raise Refused("CONCURRENT_TRANSACTIONS" if found.state == f"Prepare{way}" else "INVALID_TXN_STATE")
        if found.state != "Ongoing":
            raise Refused("INVALID_TXN_STATE")
        self._decide(found, commit=request.commit)

    def verify(self, tid: str, pid: int, epoch: int, place: Place) -> None:
        """See that a transaction is open and has announced a partition (KIP-890's first part)."""
        found = self.known.get(tid)
        if found is None or (found.pid, found.epoch) != (pid, epoch):
            raise Refused("INVALID_PRODUCER_EPOCH")
        if found.state != "Ongoing" or place not in found.places:
            raise Refused("INVALID_TXN_STATE")

    def sweep(self) -> None:
        """Abort what is open for too long, and fence its producer."""
        for tid, found in self.known.items():
            if found.state == "Ongoing" and self._kernel.now - found.began_s > found.timeout_s:
                self._fence(tid, found)

    def _checked(self, request: AddPartitionsToTxn | AddOffsetsToTxn | EndTxn) -> Transaction:
        found = self.known.get(request.tid)
        if found is None or found.pid != request.pid:
            raise Refused("INVALID_PRODUCER_ID_MAPPING")
        if found.epoch != request.epoch:
            raise Refused("INVALID_PRODUCER_EPOCH")
        return found

    def _fence(self, _tid: str, found: Transaction) -> None:
        found.bump()
        self._decide(found, commit=False)

    def _decide(self, found: Transaction, *, commit: bool) -> None:
        found.state = "PrepareCommit" if commit else "PrepareAbort"
        decision, places = Decision(), sorted(found.places)
        if commit:
            self.decided.append(decision)
        left = set(places)
        for place in places:
            delay = self.marker_stall_s + self._random.uniform(*_MARKER_S)
            self._kernel.after(delay, partial(self._mark, found, place, decision, left, commit=commit))

    def _mark(self, found: Transaction, place: Place, decision: Decision, left: set[Place], *, commit: bool) -> None:
        if place == OFFSETS:
            decision.offsets |= self._end_offsets(found.pid, found.epoch, commit)
        else:
            decision.outputs += self.log(place).end(found.pid, found.epoch)
        left.discard(place)
        if not left:
            decision.is_done = True
            found.state, found.places = ("CompleteCommit" if commit else "CompleteAbort"), set()
