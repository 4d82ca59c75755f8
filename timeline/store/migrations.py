"""Brings the tables to this version. Each step leads from one version to the next, in one transaction."""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Connection, func, insert, inspect, select, update

from timeline.store.tables import TABLES, VERSION, schema_version

# From a version to the next one. The first version is made by TABLES itself, as is any new store.
STEPS: Final[Mapping[int, Callable[[Connection], None]]] = {}

_LOCK: Final = 0x6461796D61726B  # "daymark": of PostgreSQL's advisory locks; SQLite locks the whole file


class TooNew(Exception):
    """The tables were made by a newer version of Daymark."""


def lock(connection: Connection) -> None:
    """Let no other process write before this transaction ends. In SQLite, beginning it has done that."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def migrate(connection: Connection) -> int:
    """Make the tables, or bring them to this version; return which version they had (0: there were none).

    Raises:
        TooNew: they are newer than this program.
    """
    lock(connection)
    if not inspect(connection).has_table(schema_version.name):
        TABLES.create_all(connection)
        connection.execute(insert(schema_version).values(version=VERSION))
        return 0
    had = connection.execute(select(schema_version.c.version)).scalar_one()
    if had > VERSION:
        raise TooNew(f"the tables have version {had}, this program knows {VERSION}: use a newer one, or another store")
    for version in range(had, VERSION):
        STEPS[version](connection)
    if had < VERSION:
        connection.execute(update(schema_version).values(version=VERSION))
    return int(had)
