"""How much there is, and how far the store is."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection, select

from timeline.store.results import PartitionState, ReadingState, WorkspaceTotals
from timeline.store.tables import notes, offsets, workspaces


class Overview:
    """Answers about the whole. Every answer may raise StoreDown."""

    def __init__(self, asking: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._asking = asking

    def totals(self) -> list[WorkspaceTotals]:
        """Return how much of each workspace there is, by name; counted as it came, so that it costs nothing."""
        with self._asking() as connection:
            rows = connection.execute(select(workspaces).order_by(workspaces.c.workspace))
            return [WorkspaceTotals(*row) for row in rows]

    def reading(self) -> list[PartitionState]:
        """Return how far each partition is read."""
        names = ("topic", "partition", "next_offset", "end_offset", "read_at_ms")
        asked = select(*(offsets.c[name] for name in names)).order_by(offsets.c.topic, offsets.c.partition)
        with self._asking() as connection:
            return [PartitionState(*row) for row in connection.execute(asked)]

    def state(self) -> ReadingState:
        """Return how far all of them are read, and what the reader said last."""
        last = select(notes.c.said, notes.c.at_ms).order_by(notes.c.seq.desc()).limit(1)
        with self._asking() as connection:
            said = connection.execute(last).one_or_none()
        partitions = self.reading()
        behind = sum(max(0, each.end_offset - each.next_offset) for each in partitions)
        read_at_ms = max((each.read_at_ms for each in partitions), default=None)
        return ReadingState(behind, read_at_ms, *(said or (None, None)))
