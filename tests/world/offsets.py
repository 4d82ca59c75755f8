"""The group's committed offsets, and those that a transaction has still to commit."""

from collections.abc import Callable, Mapping

from tests.world.requests import Membership, OffsetFetch, Refused, TxnOffsetCommit

BLANK = Membership()


class Offsets:
    """What the group coordinator keeps of offsets."""

    def __init__(self) -> None:
        self.committed: dict[int, int] = {}
        self.pending: dict[int, dict[int, int]] = {}  # by producer
        self._epochs: dict[int, int] = {}

    def take(
        self,
        request: TxnOffsetCommit,
        verify: Callable[[], None],
        check: Callable[[Membership, Mapping[int, int]], None],
    ) -> None:
        """Take offsets into a transaction. A blank membership is not checked: that is the trap.

        Raises:
            Refused: they are of no member, or of no transaction.
        """
        if request.epoch < self._epochs.get(request.pid, -1):
            raise Refused("INVALID_PRODUCER_EPOCH")
        if request.pid not in self.pending:
            verify()
        if request.membership[:2] != BLANK[:2]:
            check(request.membership, request.offsets)
        self._epochs[request.pid] = request.epoch
        self.pending.setdefault(request.pid, {}).update(request.offsets)

    def end(self, pid: int, epoch: int, commit: bool) -> Mapping[int, int]:  # noqa: FBT001  a marker's own flag
        """Take a marker; return the offsets that it commits."""
        self._epochs[pid] = max(epoch, self._epochs.get(pid, -1))
        found = self.pending.pop(pid, {})
        if not commit:
            return {}
        self.committed |= found
        return found

    def fetch(self, request: OffsetFetch) -> dict[int, int]:
        """Return committed offsets; none while a transaction is about to change one of them."""
        if any(request.partitions & offsets.keys() for offsets in self.pending.values()):
            raise Refused("UNSTABLE_OFFSET_COMMIT")
        return {partition: self.committed.get(partition, -1) for partition in request.partitions}
