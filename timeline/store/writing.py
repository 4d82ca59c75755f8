"""Writes batches: rows, and the offsets up to which they reach, in one transaction.

Invariant: after any crash the rows are those of the records before the offsets, neither more nor fewer. Two writers of
one database cannot both write a record: the second finds that the offsets have moved.
"""

from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import URL, Connection, Table, func, insert, select, update

from timeline.store import erasing, migrations
from timeline.store.batches import Batch, Place
from timeline.store.changes import write_changes
from timeline.store.database import translated, writing_engine
from timeline.store.keys import ContactKeys
from timeline.store.tables import VERSION, contacts, interactions, notes, offsets, rejections
from timeline.store.upserts import insert_new, upsert


class Moved(Exception):
    """Another process has written records of this batch: go on from its offsets."""


class Replaced(Exception):
    """The tables are others than those that were opened: this process has to start again."""


class Writer:
    """Writes to a store, which has been opened before. Every call is one transaction, and may raise StoreDown.

    Attributes:
        keys: makes the keys of its contacts.
    """

    def __init__(self, url: URL) -> None:
        self._engine = writing_engine(url)
        with translated(), self._engine.begin() as connection:
            self._identity = migrations.identity(connection)
        self.keys = ContactKeys(self._identity.secret or b"")

    def close(self) -> None:
        """Close its connection."""
        self._engine.dispose()

    def stands(self) -> dict[Place, tuple[int, str]]:
        """Return the next offset of each partition, and the id of its topic."""
        with translated(), self._engine.begin() as connection:
            return _stands(connection)

    def write(self, batch: Batch, now_ms: int) -> None:
        """Write a batch.

        Raises:
            Moved: its records do not begin where those in the store end.
            Replaced: another process has brought the tables to another version, or made them anew.
        """
        with translated(), self._engine.begin() as connection:
            # 1. Nobody else writes until this transaction ends, and nobody has since the batch was read.
            migrations.lock(connection)
            if migrations.identity(connection) != self._identity:
                raise Replaced("the tables were made anew, or by another version of Daymark; start again")
            stands = _stands(connection)
            if any(stands.get(place, (0, ""))[0] != reach.first for place, reach in batch.reach.items()):
                raise Moved
            # 2. Who, then what: counters tell new rows from known ones.
            _write_contacts(connection, batch)
            _write_interactions(connection, batch)
            _write_rejections(connection, batch)
            # 3. Properties, which are folded with what is there.
            bare = write_changes(connection, batch.changes)
            # 4. What was forgotten, and contacts of whom nothing is left.
            ids, erased = erasing.marked(connection, batch.marks)
            bare |= write_changes(connection, erased) | erasing.forget(connection, {**ids, **batch.forgotten})
            erasing.remove_bare_contacts(connection, bare)
            # 5. How far this reaches.
            _write_reach(connection, batch, now_ms)

    def survey(self, ends: Mapping[Place, tuple[int, str]], now_ms: int) -> None:
        """Keep where partitions end and the ids of their topics, also of those of which nothing was read yet."""
        rows = [_offset(place, 0, end, topic_id, now_ms) for place, (end, topic_id) in sorted(ends.items())]
        with translated(), self._engine.begin() as connection:
            upsert(connection, offsets, rows, ("topic", "partition"), kept=("next_offset", "topic_id"))

    def note(self, said: str, now_ms: int) -> None:
        """Keep what the reader has to say."""
        with translated(), self._engine.begin() as connection:
            connection.execute(insert(notes).values(at_ms=now_ms, said=said))

    def prune(self, firsts: Mapping[int, int]) -> None:
        """Remove dead letters before the first offset that each partition of segment.rejected still has."""
        with translated(), self._engine.begin() as connection:
            erasing.prune(connection, firsts)

    def wipe(self, topic: str, name: str, said: str, now_ms: int) -> None:
        """Remove what came of a topic that was made anew, and its offsets; keep why."""
        with translated(), self._engine.begin() as connection:
            erasing.wipe(connection, name)
            connection.execute(offsets.delete().where(offsets.c.topic == topic))
            connection.execute(insert(notes).values(at_ms=now_ms, said=said))


def _stands(connection: Connection) -> dict[Place, tuple[int, str]]:
    rows = connection.execute(select(offsets))
    return {(row.topic, row.partition): (row.next_offset, row.topic_id) for row in rows}


def _write_contacts(connection: Connection, batch: Batch) -> None:
    by_workspace = attrgetter("workspace")
    for workspace, some in groupby(sorted(sorted(batch.contacts.values()), key=by_workspace), by_workspace):
        if added := insert_new(connection, contacts, [*some], ("contact_key",)):
            erasing.count(connection, "contacts", {workspace: added})


def _write_interactions(connection: Connection, batch: Batch) -> None:
    if batch.interactions:
        last = _last(connection, interactions)
        # Those that are emitted again, under the same id, keep their numbers.
        upsert(connection, interactions, [*batch.interactions.values()], ("interaction_id",))
        _count_since(connection, interactions, last)


def _write_rejections(connection: Connection, batch: Batch) -> None:
    if batch.rejections:
        last = _last(connection, rejections)
        insert_new(connection, rejections, batch.rejections, ("record_partition", "record_offset"))
        _count_since(connection, rejections, last)
    for partition, offset in batch.resent:
        is_it = (rejections.c.record_partition == partition) & (rejections.c.record_offset == offset)
        connection.execute(update(rejections).where(is_it).values(resent=True))


def _last(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.coalesce(func.max(table.c.seq), 0))) or 0


def _count_since(connection: Connection, table: Table, last: int) -> None:
    """Count new rows: their numbers are larger than any before, and nobody else writes."""
    workspace = table.c.workspace
    added = connection.execute(select(workspace, func.count()).where(table.c.seq > last).group_by(workspace))
    counts = {row[0]: row[1] for row in added}
    erasing.count(connection, table.name, counts)


def _write_reach(connection: Connection, batch: Batch, now_ms: int) -> None:
    rows = [
        _offset(place, reach.upto, max(reach.end, reach.upto), reach.topic_id, now_ms)
        for place, reach in sorted(batch.reach.items())
    ]
    upsert(connection, offsets, rows, ("topic", "partition"))


def _offset(place: Place, upto: int, end: int, topic_id: str, now_ms: int) -> Mapping[str, Any]:
    names = "topic", "partition", "next_offset", "end_offset", "topic_id", "read_at_ms", "version"
    return dict(zip(names, (*place, upto, end, topic_id, now_ms, VERSION), strict=True))
