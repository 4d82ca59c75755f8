"""Writes changes of properties: their newest values, and who entered and left which audience."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from timeline.store.batches import Change
from timeline.store.folding import Folded, Held, folded
from timeline.store.tables import audience_hours, audiences, moves, properties
from timeline.store.upserts import Row, add, pieces, upsert


def write_changes(connection: Connection, changes: Sequence[Change]) -> set[str]:
    """Write changes, in their order; return the keys of contacts of which properties were erased."""
    if not changes:
        return set()
    before = _held(connection, sorted({change.property_key for change in changes}))
    found = folded(before, changes)
    erased = sorted({change.property_key for change in changes if change.contact_key is None})
    for keys in pieces(erased):
        connection.execute(delete(properties).where(properties.c.property_key.in_(keys)))
        connection.execute(delete(moves).where(moves.c.property_key.in_(keys)))
    upsert(connection, properties, [_row(held) for held in found.held.values() if held], ("property_key",))
    rows = [move._asdict() for of_one in found.moves.values() for move in of_one]
    upsert(connection, moves, rows, ("property_key", "at_ms"))
    _count(connection, found)
    return {key for erasing in erased if (held := before.get(erasing)) and (key := held.change.contact_key)}


def _held(connection: Connection, keys: Sequence[str]) -> dict[str, Held]:
    columns = [properties.c[name] for name in (*_COLUMNS, "since_ms")]
    found = {}
    for some in pieces(keys):
        for row in connection.execute(select(*columns).where(properties.c.property_key.in_(some))):
            *fields, since_ms = row
            found[row.property_key] = Held(Change(*fields), since_ms)
    return found


def _count(connection: Connection, found: Folded) -> None:
    rows: list[Row] = [
        {**_named(audience), "members": found.members[audience], "changed_at_ms": changed_at_ms}
        for audience, changed_at_ms in sorted(found.changed_at_ms.items())
    ]
    add(connection, audiences, rows, counts=("members",), newest=("changed_at_ms",))
    hours: list[Row] = [
        {
            "workspace": workspace,
            "name": name,
            "hour_ms": hour,
            "entries": count * entered,
            "exits": count * (not entered),
        }
        for (workspace, name, hour, entered), count in sorted(found.hours.items())
    ]
    add(connection, audience_hours, hours, counts=("entries", "exits"))


def _named(audience: tuple[str, str, str]) -> dict[str, Any]:
    return dict(zip(("workspace", "name", "kind"), audience, strict=True))


def _row(held: Held) -> Row:
    return {**dict(zip(_COLUMNS, held.change, strict=True)), "since_ms": held.since_ms}


_COLUMNS = tuple("changed_at_ms" if name == "at_ms" else name for name in Change._fields)
