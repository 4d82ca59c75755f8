"""Judges a world by what was committed: the promises of `tests.model.promises`, and whether all comes to its end.

Follows the decided transactions in their order, each once its markers are written.
"""

from collections.abc import Mapping

from processor.records import Record
from tests.fake_kafka import Commit
from tests.model.events import Event
from tests.model.promises import Promises
from tests.world.cluster import Cluster, Raw
from tests.world.transactions import Decision


class Ledger:
    """What was committed, in the form that the promises read."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.committed: dict[int, int] = {}


class Judge:
    """The promises of one world."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._ledger, self._taken = cluster, Ledger(), 0
        self.promises = Promises(self._ledger)  # type: ignore[arg-type]

    def append(self, raw: Raw, event: Event) -> None:
        """Note a raw record."""
        record = Record(raw.partition, raw.offset, b"key", raw.value, raw.workspace, raw.at_ms, raw.at_ms)
        self.promises.append(record, event)

    def look(self, *, at_all: bool = False) -> None:
        """Check what was committed since the last look; at everything that was left behind, too.

        Raises:
            AssertionError: a promise is broken.
        """
        decided = self._cluster.transactions.decided
        while self._taken < len(decided) and decided[self._taken].is_done:
            self._commit(decided[self._taken])
            self._taken += 1
        if at_all:
            self.promises._check_left_behind()

    @property
    def is_up_to_date(self) -> bool:
        """Whether all that was decided is committed, and was looked at."""
        return self._taken == len(self._cluster.transactions.decided)

    def set_back(self, offsets: Mapping[int, int]) -> None:
        """Note that the group's offsets were set back: what comes after them is to be done once more."""
        self._ledger.committed |= offsets

    def is_done(self) -> bool:
        """Whether everything is committed."""
        return all(self._ledger.committed.get(at, 0) >= len(log) for at, log in self._cluster.raw.items())

    def lag(self) -> dict[int, int]:
        """Return how many records of each partition are not committed."""
        return {
            at: len(log) - self._ledger.committed.get(at, 0)
            for at, log in self._cluster.raw.items()
            if self._ledger.committed.get(at, 0) < len(log)
        }

    def _commit(self, decision: Decision) -> None:
        before = dict(self._ledger.committed)
        self._ledger.committed = before | decision.offsets
        self.promises._take(Commit(decision.outputs, before, dict(self._ledger.committed)))
