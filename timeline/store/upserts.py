"""Statements that both databases have, each in its own words: insert unless it is there, insert or update, add to.

SQLAlchemy writes them, once for each form; rows go to the driver as they are. Its own way of passing many rows takes
longer than SQLite takes to write them (measured): so a day is given as text, and values need no conversion.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, cast

from sqlalchemy import Connection, Dialect, Table, func
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any] | tuple[Any, ...]  # a NamedTuple
Names = tuple[str, ...]

_ROOM: Final = 500  # so many values in one IN


def insert_new(connection: Connection, table: Table, rows: Sequence[Row], key: Names) -> int:
    """Insert the rows whose keys are not there; return how many that were."""
    if not rows:
        return 0
    return _run(connection, rows, *_inserting_new(connection.dialect, table, _columns(rows[0]), key))


def upsert(connection: Connection, table: Table, rows: Sequence[Row], key: Names, kept: Names = ()) -> None:
    """Insert rows, in place of those that are there under their keys, of which some columns may be kept."""
    if rows:
        _run(connection, rows, *_upserting(connection.dialect, table, _columns(rows[0]), key, kept))


def add(connection: Connection, table: Table, rows: Sequence[Row], *, counts: Names, newest: Names = ()) -> None:
    """Add counts to those that are there under the table's primary key.

    Args:
        connection: in a transaction.
        table: of counters.
        rows: what is added.
        counts: columns that are added up.
        newest: columns of which the largest is kept.
    """
    if rows:
        _run(connection, rows, *_adding(connection.dialect, table, _columns(rows[0]), counts, newest))


def pieces(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield values so many at a time as one IN has room for."""
    for at in range(0, len(values), _ROOM):
        yield values[at : at + _ROOM]


def _run(connection: Connection, rows: Sequence[Row], sql: str, order: Names | None) -> int:
    """Run a statement for each row, and return how many were written: by position where the driver wants that."""
    values: Any = rows
    if isinstance(rows[0], tuple):
        if order is None:
            values = [row._asdict() for row in values]
        elif order != _columns(rows[0]):
            values = [*map(itemgetter(*map(_columns(rows[0]).index, order)), values)]
    elif order is not None:
        values = [*map(itemgetter(*order), values)]
    options = {"preserve_rowcount": True}
    return int(connection.exec_driver_sql(sql, values, execution_options=options).rowcount)


def _columns(row: Row) -> Names:
    return cast("Any", row)._fields if isinstance(row, tuple) else tuple(row)


@lru_cache(64)
def _inserting_new(dialect: Dialect, table: Table, columns: Names, key: Names) -> tuple[str, Names | None]:
    return _compiled(_insert(dialect, table).on_conflict_do_nothing(index_elements=key), dialect, columns)


@lru_cache(64)
def _upserting(dialect: Dialect, table: Table, columns: Names, key: Names, kept: Names) -> tuple[str, Names | None]:
    statement = _insert(dialect, table)
    changed = {name: statement.excluded[name] for name in columns if name not in {*key, *kept}}
    return _compiled(statement.on_conflict_do_update(index_elements=key, set_=changed), dialect, columns)


@lru_cache(64)
def _adding(dialect: Dialect, table: Table, columns: Names, counts: Names, newest: Names) -> tuple[str, Names | None]:
    statement = _insert(dialect, table)
    larger = func.greatest if dialect.name == "postgresql" else func.max
    changed: dict[str, Any] = {name: table.c[name] + statement.excluded[name] for name in counts}
    changed |= {name: larger(table.c[name], statement.excluded[name]) for name in newest}
    keys = [*table.primary_key]
    return _compiled(statement.on_conflict_do_update(index_elements=keys, set_=changed), dialect, columns)


def _insert(dialect: Dialect, table: Table) -> Any:  # the two have no common class with these methods
    return (postgresql if dialect.name == "postgresql" else sqlite).insert(table)


def _compiled(statement: Any, dialect: Dialect, columns: Names) -> tuple[str, Names | None]:
    found = statement.compile(dialect=dialect, column_keys=columns)
    return str(found), tuple(found.positiontup) if found.positional else None
