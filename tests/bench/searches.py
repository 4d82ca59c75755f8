"""How long a search by the beginning of an address takes, over so many contacts of many workspaces.

SQLite fills its tables itself, and makes their indices when they are full: 10,000,000 contacts in minutes. Each has one
interaction, of which a search tells the day.
"""

import random
import sys
import time
from typing import Final

from sqlalchemy import create_engine, select

from tests.bench import ground
from timeline import store
from timeline.store import tables
from timeline.store.database import Store

_SEARCHES, _WORKSPACES, _PIECE = 1_000, 100, 1_000_000
_FAST: Final = ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-262144")
_KEY: Final = "printf('%020x', {})"
_CONTACTS: Final = f"""
INSERT INTO contacts (contact_key, workspace, email)
WITH RECURSIVE numbers (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :end)
SELECT {_KEY.format("n")}, 'workspace-' || n % {_WORKSPACES}, lower(hex(randomblob(4))) || n || '@example.com'
FROM numbers"""
_INTERACTIONS: Final = f"""
INSERT INTO interactions (interaction_id, contact_key, workspace, day, at_ms, description, described_by, url,
    message_id, received_at_ms, emitted_at_ms, source_partition, source_offset, record_partition, record_offset)
SELECT lower(hex(randomblob(18))), contact_key, workspace, '2026-11-30', 1, 'https://shop.example/products/1', 'url',
    'https://shop.example/products/1', 'ajs-' || lower(hex(randomblob(16))), 1, 1, 0, 0, 0, 0
FROM contacts WHERE contact_key >= {_KEY.format(":first")} AND contact_key < {_KEY.format(":end")}"""
_TOTALS: Final = "INSERT INTO workspaces SELECT workspace, count(*), count(*), 0 FROM contacts GROUP BY workspace"


def times(contacts: int) -> list[float]:
    """Return how long searches take, the quickest first, in ms; prefixes have 1 to 12 characters."""
    with ground.folder() as folder:
        url = f"sqlite:///{folder}/timeline.db"
        store.opened(url).close()
        fill(url, contacts)
        with store.opened(url) as there:
            return sorted(_searched(there, contacts))


def fill(url: str, contacts: int) -> None:
    """Fill an empty store of SQLite."""
    engine = create_engine(url)
    indices = sorted((*tables.contacts.indexes, *tables.interactions.indexes), key=lambda index: str(index.name))
    with engine.connect() as connection:
        for pragma in _FAST:
            connection.exec_driver_sql(f"PRAGMA {pragma}")
        for index in indices:
            index.drop(connection)
        for statement in (_CONTACTS, _INTERACTIONS):
            for first in range(0, contacts, _PIECE):
                piece = {"first": first, "end": min(first + _PIECE, contacts)}
                connection.exec_driver_sql(statement, piece)
                connection.commit()
        for index in indices:
            index.create(connection)
            connection.commit()
        connection.exec_driver_sql(_TOTALS)
        connection.commit()
    engine.dispose()


def _searched(there: Store, contacts: int) -> list[float]:
    draw, took = random.Random(1), []
    key = tables.contacts.c.contact_key
    with there._asking() as connection:
        drawn = [f"{draw.randrange(contacts):020x}" for _ in range(_SEARCHES)]
        emails = [connection.scalar(select(tables.contacts.c.email).where(key == each)) or "" for each in drawn]
    for email in emails:
        prefix = email[: draw.randrange(1, 13)]
        began = time.perf_counter()
        found = there.contacts.search(prefix)
        took.append((time.perf_counter() - began) * 1000)
        assert found
        assert all(each.email.startswith(prefix) and each.last_day for each in found)
    return took


if __name__ == "__main__":
    begun = time.monotonic()
    ordered = times(int(sys.argv[1]))
    shares = ", ".join(f"p{share} {ordered[len(ordered) * share // 100]:.2f} ms" for share in (50, 95, 99))
    sys.stdout.write(f"{shares}; {time.monotonic() - begun:.0f} s in all\n")
