"""Removes rows, and counts what is left: for tombstones, for records that retention deleted, for a topic made anew."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, literal, or_, select

from schemas.forgotten import Thing
from timeline.store.batches import Change, Mark
from timeline.store.keys import marked_key
from timeline.store.tables import (
    audience_hours,
    audiences,
    contacts,
    interactions,
    moves,
    properties,
    rejections,
    workspaces,
)
from timeline.store.upserts import add, pieces

# What a worker writes is readable when its transaction ends, at the latest a minute later.
_UNSEEN_MS: Final = 60_000
_TOTALS: Final = ("contacts", "interactions", "rejections")


def forget(connection: Connection, forgotten: Mapping[str, int]) -> set[str]:
    """Remove interactions whose tombstones were read; return the keys of their contacts.

    A tombstone is written by `daymark forget`, for every interaction of the contact that the topic still holds. What
    the store holds of it from before, which the topic's retention deleted, goes with them.

    Args:
        connection: in a transaction.
        forgotten: by interaction id: when its tombstone was written, in epoch ms.
    """
    known = interactions.c
    since: dict[str, int] = {}
    for ids in pieces([*forgotten]):
        for key, identity in connection.execute(
            select(known.contact_key, known.interaction_id).where(known.interaction_id.in_(ids))
        ):
            since[key] = max(since.get(key, 0), forgotten[identity])
        removed(connection, "interactions", known.interaction_id.in_(ids))
    for key, at_ms in since.items():
        removed(connection, "interactions", and_(known.contact_key == key, known.emitted_at_ms < at_ms - _UNSEEN_MS))
    return set(since)


def marked(connection: Connection, marks: Iterable[Mark]) -> tuple[dict[str, int], list[Change]]:
    """Return what marks tell to forget and the store still has: interactions, as `forget` takes them, and properties.

    A reader that was away while compaction removed the tombstones finds only the marks. What lies behind the tombstone,
    or came of a later event, has come back since, and stays.
    """
    ids, changes = {}, []
    for partition, said, written_ms in marks:
        if said.thing is Thing.INTERACTION:
            identity = str(UUID(bytes=said.identity))
            known = interactions.c
            is_before = and_(known.record_partition == partition, known.record_offset < said.tombstone)
            if connection.scalar(select(known.seq).where(known.interaction_id == identity, is_before)) is not None:
                ids[identity] = written_ms
        else:
            key, held = marked_key(said.identity), properties.c
            is_before = and_(held.source_partition == partition, held.source_offset < said.next_event)
            if connection.scalar(select(held.name).where(held.property_key == key, is_before)) is not None:
                changes.append(Change(key))
    return ids, changes


def removed(connection: Connection, name: str, which: ColumnElement[bool]) -> None:
    """Remove rows of contacts, interactions or rejections, and count them off their workspaces."""
    table = {"contacts": contacts, "interactions": interactions, "rejections": rejections}[name]
    counts = select(table.c.workspace, func.count()).where(which).group_by(table.c.workspace)
    found = {workspace: -count for workspace, count in connection.execute(counts)}
    if found:
        connection.execute(delete(table).where(which))
        count(connection, name, found)


def count(connection: Connection, name: str, counts: Mapping[str, int]) -> None:
    """Add to a column of the workspaces' counters."""
    rows = [{**dict.fromkeys(_TOTALS, 0), "workspace": each, name: number} for each, number in sorted(counts.items())]
    add(connection, workspaces, rows, counts=_TOTALS)


def remove_bare_contacts(connection: Connection, keys: Iterable[str] | None = None) -> None:
    """Remove those of some contacts, or of all, that have neither interactions nor properties."""
    bare = and_(
        ~exists(select(literal(1)).where(interactions.c.contact_key == contacts.c.contact_key)),
        ~exists(select(literal(1)).where(properties.c.contact_key == contacts.c.contact_key)),
    )
    if keys is None:
        removed(connection, "contacts", bare)
        return
    for some in pieces(sorted(keys)):
        removed(connection, "contacts", and_(contacts.c.contact_key.in_(some), bare))


def prune(connection: Connection, firsts: Mapping[int, int]) -> None:
    """Remove dead letters that retention has deleted: those before the first offset of their partition."""
    gone = [
        and_(rejections.c.record_partition == partition, rejections.c.record_offset < first)
        for partition, first in firsts.items()
        if first > 0
    ]
    if gone:
        removed(connection, "rejections", or_(*gone))


def wipe(connection: Connection, name: str) -> None:
    """Remove what came of one topic.

    Args:
        connection: in a transaction.
        name: interactions, properties or rejections.
    """
    if name == "properties":
        for table in (properties, moves, audiences, audience_hours):
            connection.execute(delete(table))
    else:
        removed(connection, name, literal(1) == literal(1))
    remove_bare_contacts(connection)
