"""Opens the store: which database, how it is set, which version its tables have."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, Self

import structlog
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, TimeoutError  # noqa: A004  its pool's

from timeline.store import migrations
from timeline.store.audiences import Audiences
from timeline.store.contacts import Contacts
from timeline.store.deliveries import Deliveries
from timeline.store.overview import Overview
from timeline.store.tables import VERSION

log = structlog.get_logger()

Asking = Callable[[], AbstractContextManager[Connection]]

_DRIVERS: Final = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_SQLITE: Final = (
    "journal_mode=WAL",  # readers see the last commit while the next one is written
    "synchronous=NORMAL",  # a loss of power can undo commits, never half of one: their offsets go with them
    "busy_timeout=10000",
    "cache_size=-65536",
    "wal_autocheckpoint=16384",  # 64 MB: pages that many batches change are copied back once
    "temp_store=MEMORY",
)


class StoreDown(Exception):
    """The database does not answer, is locked or full; the message says what it said."""


class WrongURL(ValueError):
    """The address of a store cannot be used; the message says what is expected."""


class Store:
    """Answers questions. Any number of threads may ask; every answer may raise StoreDown."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._asked = _engine(url, "BEGIN", "query_only=ON")
        self.contacts = Contacts(self._asking)
        self.audiences = Audiences(self._asking)
        self.deliveries = Deliveries(self._asking)
        self.overview = Overview(self._asking)

    def close(self) -> None:
        """Close its connections."""
        self._asked.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _asking(self) -> Iterator[Connection]:
        with translated(), self._asked.connect() as connection:
            yield connection


def opened(url: str) -> Store:
    """Open a store, and bring its tables to this version: those of an older one are emptied, to be filled again.

    Args:
        url: sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host:port/database.

    Raises:
        WrongURL: it is neither.
        StoreDown: the database does not answer, or was made by a newer version.
    """
    where = parsed(url)
    writing = writing_engine(where)
    try:
        with translated(), writing.begin() as connection:
            had = migrations.migrate(connection)
    except migrations.TooNew as error:
        raise StoreDown(str(error)) from None
    finally:
        writing.dispose()
    if 0 < had < VERSION:
        log.warning("store.emptied", version=had, wanted=VERSION, next="everything that the topics hold is read again")
    return Store(where)


def parsed(url: str) -> URL:
    """Return the address of a database, with the driver that is used.

    Raises:
        WrongURL: it is none of the kinds that are supported.
    """
    try:
        found = make_url(url)
    except ArgumentError:
        raise WrongURL("not sqlite:///path or postgresql://user@host/database") from None
    driver = _DRIVERS.get(found.drivername.partition("+")[0])
    if driver is None:
        raise WrongURL(f"{found.drivername} is not supported; use sqlite or postgresql")
    if driver.startswith("sqlite") and found.database in {None, "", ":memory:"}:
        raise WrongURL("sqlite needs a file: sqlite:///path")
    return found.set(drivername=driver)


def writing_engine(url: URL) -> Engine:
    """Return an engine whose transactions lock the database from their beginning."""
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    return _engine(url, "BEGIN IMMEDIATE")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what goes wrong in the database into StoreDown."""
    try:
        yield
    except (DBAPIError, TimeoutError) as error:
        said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise StoreDown(said) from error
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise StoreDown(f"{error}; install daymark[timeline]") from error


def _engine(url: URL, begin: str, *pragmas: str) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, max_overflow=30)

    # The driver would begin transactions at the first write only: this is SQLAlchemy's own recipe against that.
    @event.listens_for(engine, "connect")
    def _connected(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (*_SQLITE, *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
