"""A Kafka in memory, as far as a worker can tell: one raw topic, one group that reads it, transactions.

True to what Apache Kafka does and what was measured of it: a transactional id fences its older producers, offsets are
committed in a transaction under a membership, a stale one is refused, a blank one is not, pending offsets keep the next
owner waiting. Before KIP-890, which librdkafka does not speak, a request does not say which transaction it belongs to:
an old one of the same epoch counts for the one under way. Whoever calls takes turns; nothing here waits. tests/contract
and tests/integration/test_late_requests.py hold it against the real thing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from processor.errors import Aborted, SessionLost
from processor.records import Output, Record
from schemas.lanes import BACKFILL


class Membership(NamedTuple):
    """What a consumer knows of itself in its group."""

    member: str | None
    generation: int


BLANK = Membership(None, -1)  # of a consumer that never joined, or knows that its session is lost


class Group:
    """Members, and who has which partition: it is given on only when the member before gave it up or is gone."""

    def __init__(self, partitions: Iterable[int]) -> None:
        self.generation = 0
        self.members: list[str] = []
        self.gone: dict[str, int] = {}  # members taken for dead, and the generation that they know
        self.aware: set[str] = set()  # those of them whose driver has learnt of it
        self._partitions, self._joined = sorted(partitions), 0
        self._wanted: dict[int, str] = {}  # partition -> who is to have it
        self._had: dict[int, str] = {}  # partition -> who has it

    def join(self) -> str:
        self._joined += 1
        self.members.append(f"member {self._joined}")
        self.rebalance()
        return self.members[-1]

    def drop(self, member: str | None) -> None:
        """A member left, or was not heard of for too long: others may have its partitions at once."""
        if member in self.members:
            self.members.remove(member)
            self.gone[member] = self.generation
            self._had = {partition: other for partition, other in self._had.items() if other != member}
            self.rebalance()

    def rebalance(self, shares: Sequence[int] = range(1 << 10)) -> None:
        """Begin a generation in which partition p is wanted by member number `shares[p]`, modulo their number."""
        self.generation += 1
        count = len(self.members)
        self._wanted = {
            partition: self.members[shares[index] % count] for index, partition in enumerate(self._partitions) if count
        }

    def serve(self, member: str) -> tuple[set[int], set[int]]:
        """A member polls: it gives up what is wanted elsewhere, and gets what is free and wanted here."""
        went = {partition for partition, who in self._had.items() if who == member != self._wanted[partition]}
        came = {partition for partition, who in self._wanted.items() if who == member and partition not in self._had}
        for partition in went:
            del self._had[partition]
        self._had |= dict.fromkeys(came, member)
        if went:
            self.generation += 1  # it joins again, so that they are given on
        return went, came

    def membership(self, member: str | None) -> Membership:
        """What a member's driver says of it now: it learns of generations by itself, without a poll."""
        if member is None or member in self.aware:
            return BLANK
        return Membership(member, self.gone.get(member, self.generation))

    def check(self, membership: Membership) -> None:
        """Refuse who is no member of this generation. Nobody in particular is not refused: that is the trap."""
        if membership != BLANK and (membership.member not in self.members or membership.generation != self.generation):
            raise Aborted(f"{membership} is refused in generation {self.generation}")


class Entry:
    """A record in the log of its topic; readers of committed records see it or not."""

    __slots__ = ("output", "state")

    def __init__(self, output: Output) -> None:
        self.output = output
        self.state: Literal["open", "committed", "aborted"] = "open"


class Transaction:
    """What a producer has written since it began, and the offsets that it will commit."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.offsets: dict[int, int] = {}


class Commit(NamedTuple):
    """What one transaction did, seen from outside: its records, and the committed offsets before and after."""

    outputs: list[Output]
    before: dict[int, int]
    after: dict[int, int]


class FakeKafka:
    """The raw records, the group with its committed offsets, and what was written."""

    def __init__(self, partitions: int = 1, *, lane: bool = False) -> None:
        live = range(partitions)
        slow = [BACKFILL + partition for partition in live] if lane else []
        self.records: dict[int, list[Record]] = {partition: [] for partition in (*live, *slow)}
        self.group = Group(live)
        self.committed: dict[int, int] = {}
        self.commits: list[Commit] = []
        self.on_their_way: list[Callable[[], object]] = []  # requests that nobody waits for any more
        self._log: list[Entry] = []
        self._epochs: dict[str, int] = {}
        self._open: dict[str, Transaction] = {}

    @property
    def written(self) -> list[Output]:
        """What a reader of committed records sees, in the order of the log."""
        return [entry.output for entry in self._log if entry.state == "committed"]

    def append(self, value: bytes, partition: int = 0, workspace: str = "w", received_at_ms: int = 10**13) -> Record:
        offset = len(self.records[partition])
        record = Record(partition, offset, b"key", value, workspace, received_at_ms, received_at_ms)
        self.records[partition].append(record)
        return record

    def start_of(self, partition: int) -> int | None:
        """Return the committed offset, None while a transaction is about to change it."""
        if any(partition in transaction.offsets for transaction in self._open.values()):
            return None
        return self.committed.get(partition, 0)

    def init(self, transactional_id: str) -> int:
        """Abort what this id left open, fence its older producers, and return the new one's epoch."""
        self._end(transactional_id, commits=False)
        self._epochs[transactional_id] = self._epochs.get(transactional_id, -1) + 1
        return self._epochs[transactional_id]

    def time_out(self, transactional_id: str) -> None:
        """A transaction was open for too long: Kafka aborts it and fences its producer."""
        if transactional_id in self._open:
            self.init(transactional_id)

    def produce(self, transactional_id: str, epoch: int, outputs: Iterable[Output]) -> None:
        transaction, entries = self._transaction(transactional_id, epoch), [Entry(output) for output in outputs]
        transaction.entries += entries
        self._log += entries

    def send_offsets(
        self, transactional_id: str, epoch: int, offsets: Mapping[int, int], membership: Membership
    ) -> None:
        transaction = self._transaction(transactional_id, epoch)
        self.group.check(membership)
        transaction.offsets |= offsets

    def repeat_offsets(
        self, transactional_id: str, epoch: int, offsets: Mapping[int, int], membership: Membership
    ) -> None:
        """Take offsets that come once more, by themselves: only into a transaction that has some of the group."""
        transaction = self._open.get(transactional_id)
        if transaction is None or not transaction.offsets:
            raise SessionLost(f"{transactional_id} has no transaction that the group is part of")
        self.send_offsets(transactional_id, epoch, offsets, membership)

    def end(self, transactional_id: str, epoch: int, *, commits: bool) -> None:
        """End the transaction under way, whichever it is; without one there is nothing to end."""
        self._transaction(transactional_id, epoch)
        self._end(transactional_id, commits=commits)

    def _transaction(self, transactional_id: str, epoch: int) -> Transaction:
        if epoch != self._epochs[transactional_id]:
            raise SessionLost(f"{transactional_id} is fenced")
        return self._open.setdefault(transactional_id, Transaction())

    def _end(self, transactional_id: str, *, commits: bool) -> None:
        transaction = self._open.pop(transactional_id, None)
        if transaction is None:
            return
        for entry in transaction.entries:
            entry.state = "committed" if commits else "aborted"
        if commits:
            before = dict(self.committed)
            self.committed |= transaction.offsets
            outputs = [entry.output for entry in transaction.entries]
            self.commits.append(Commit(outputs, before, dict(self.committed)))
