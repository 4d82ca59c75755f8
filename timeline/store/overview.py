"""How much there is, and how far the store is."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection, func, select

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
        lag = func.coalesce(func.sum(offsets.c.end_offset - offsets.c.next_offset), 0)
        with self._asking() as connection:
            behind, read_at_ms = connection.execute(select(lag, func.max(offsets.c.read_at_ms))).one()
            said = connection.execute(last).one_or_none()
        return ReadingState(max(0, int(behind)), read_at_ms, *(said or (None, None)))
