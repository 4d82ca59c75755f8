"""Brings the tables to this version, in one transaction."""

from typing import Final, NamedTuple

from sqlalchemy import Connection, func, insert, inspect, select, text, update

from timeline.store.keys import new_secret
from timeline.store.tables import TABLES, VERSION, contacts, interactions, key_secret, notes, rejections, schema_version

_LOCK: Final = 0x6461796D61726B  # "daymark": of PostgreSQL's advisory locks; SQLite locks the whole file


class TooNew(Exception):
    """The tables were made by a newer version of Daymark."""


class Identity(NamedTuple):
    """Which tables these are: their version, and the secret of their contacts' keys."""

    version: int | None
    secret: bytes | None


def lock(connection: Connection) -> None:
    """Let no other process write before this transaction ends. In SQLite, beginning it has done that."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def identity(connection: Connection) -> Identity:
    """Return which tables these are."""
    return Identity(connection.scalar(select(schema_version.c.version)), connection.scalar(select(key_secret.c.secret)))


def migrate(connection: Connection) -> int:
    """Make the tables, or bring them to this version; return which version they had (0: there were none).

    Those of an older version are emptied: what the topics hold is read again.

    Raises:
        TooNew: they are newer than this program.
    """
    lock(connection)
    had = 0
    if inspect(connection).has_table(schema_version.name):
        had = connection.execute(select(schema_version.c.version)).scalar_one()
    if had > VERSION:
        raise TooNew(f"the tables have version {had}, this program knows {VERSION}: use a newer one, or another store")
    if not had:
        TABLES.create_all(connection)
        connection.execute(insert(schema_version).values(version=VERSION))
    elif had < VERSION:
        (_empty if connection.dialect.name == "postgresql" else _make_anew)(connection)
        connection.execute(update(schema_version).values(version=VERSION))
    if connection.scalar(select(func.count()).select_from(key_secret)) == 0:
        connection.execute(insert(key_secret).values(secret=new_secret()))
    return had


def _empty(connection: Connection) -> None:
    """Empty the tables of version 1 in PostgreSQL, and change them: views, rights and numbers are kept."""
    there = inspect(connection)
    old = ", ".join(name for name in TABLES.tables if name != schema_version.name and there.has_table(name))
    connection.execute(text(f"TRUNCATE {old}"))
    connection.execute(text("ALTER TABLE offsets ADD COLUMN version integer NOT NULL"))
    for index in contacts.indexes:
        index.drop(connection)
        index.create(connection)
    TABLES.create_all(connection)


def _make_anew(connection: Connection) -> None:
    """Make the tables of version 1 in SQLite anew, since none can begin to number rows otherwise; go on numbering."""
    last = {table.name: connection.scalar(select(func.max(table.c.seq))) for table in (interactions, rejections, notes)}
    for table in reversed(TABLES.sorted_tables):
        if table is not schema_version:
            table.drop(connection, checkfirst=True)
    TABLES.create_all(connection)
    rows = [{"name": name, "seq": seq} for name, seq in last.items() if seq]
    if rows:
        connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"), rows)
