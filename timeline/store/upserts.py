"""Statements that both databases have, each in its own words: insert unless it is there, insert or update, add to."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, func
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]

_ROOM: Final = 500  # so many values in one IN


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], key: Sequence[str]) -> int:
    """Insert the rows whose keys are not there; return how many that were."""
    if not rows:
        return 0
    statement = _insert(connection, table).on_conflict_do_nothing(index_elements=key)
    return int(connection.execute(statement, rows, execution_options={"preserve_rowcount": True}).rowcount)


def upsert(connection: Connection, table: Table, rows: Sequence[Row], key: Sequence[str]) -> None:
    """Insert rows, in place of those that are there under their keys."""
    if rows:
        statement = _insert(connection, table)
        changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), rows)


def add(
    connection: Connection, table: Table, rows: Sequence[Row], *, counts: Sequence[str], newest: Sequence[str] = ()
) -> None:
    """Add counts to those that are there under the table's primary key.

    Args:
        connection: in a transaction.
        table: of counters.
        rows: what is added.
        counts: columns that are added up.
        newest: columns of which the largest is kept.
    """
    if not rows:
        return
    statement = _insert(connection, table)
    larger = "greatest" if connection.dialect.name == "postgresql" else "max"
    changed: dict[str, Any] = {name: table.c[name] + statement.excluded[name] for name in counts}
    changed |= {name: getattr(func, larger)(table.c[name], statement.excluded[name]) for name in newest}
    connection.execute(statement.on_conflict_do_update(index_elements=[*table.primary_key], set_=changed), rows)


def pieces(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield values so many at a time as one IN has room for."""
    for at in range(0, len(values), _ROOM):
        yield values[at : at + _ROOM]


def _insert(connection: Connection, table: Table) -> Any:  # the two have no common class with these methods
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
