"""Removes rows, and counts what is left: for tombstones, for records that retention deleted, for a topic made anew."""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, literal, or_, select

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
