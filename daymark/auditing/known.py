"""What a following audit remembers: the last emission of each contact-day, for as long as claims live.

On disk (SQLite, in the audit's temporary folder): 80 bytes each, of a claims' lifetime and a day; memory holds SQLite's
cache alone. Like all facts it outlives no run, since prints are this process's own.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

_CACHE_KIB: Final = 64 * 1024
_SLACK_MS: Final = 86_400_000  # kept longer than claims: a repeat at their end is a duplicate yet


LOST: Final = -1  # the place of what never was emitted


class Emission(NamedTuple):
    """An interaction, or another record that is emitted once: the event that it names, its print, and where it lies.

    `content`, a signed number of 64 bits, is None of what is known to be lost or forgotten.
    """

    identity: bytes
    partition: int
    offset: int
    content: int | None
    at_partition: int
    at_offset: int
    at_ms: int

    @property
    def is_lost(self) -> bool:
        """Whether it never was emitted."""
        return self.at_offset == LOST

    def is_of(self, other: "Emission") -> bool:
        """Whether two are of the same event and say the same."""
        return (self.partition, self.offset, self.content) == (other.partition, other.offset, other.content)


class Known:
    """The emissions that are remembered."""

    def __init__(self, file: Path, lifetime_ms: int) -> None:
        """Begin with none.

        Args:
            file: of the database, which is not there yet.
            lifetime_ms: of claims.
        """
        self._lifetime_ms = lifetime_ms
        self._database = sqlite3.connect(file, isolation_level=None)
        for pragma in (f"cache_size=-{_CACHE_KIB}", "journal_mode=OFF", "synchronous=OFF"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(
            "CREATE TABLE known (identity BLOB PRIMARY KEY, source INTEGER, offset INTEGER, content INTEGER,"
            " at_partition INTEGER, at_offset INTEGER, at_ms INTEGER) WITHOUT ROWID"
        )

    def get(self, identity: bytes) -> Emission | None:
        """Return the last emission of a contact-day; None: there is none that is remembered."""
        row = self._database.execute("SELECT * FROM known WHERE identity = ?", (identity,)).fetchone()
        return None if row is None else Emission(*row)

    def put(self, emissions: Iterable[Emission]) -> None:
        """Remember some, in place of what was remembered of theirs."""
        self._database.execute("BEGIN")
        self._database.executemany("REPLACE INTO known VALUES (?, ?, ?, ?, ?, ?, ?)", emissions)
        self._database.execute("COMMIT")

    def take(self, emission: Emission) -> Emission | None:
        """Remember one; return the one before it, if a claim can still stand against this one."""
        before = self.get(emission.identity)
        self.put([emission])
        if before is None or emission.at_ms - before.at_ms >= self._lifetime_ms:
            return None
        is_same = (before.at_partition, before.at_offset) == (emission.at_partition, emission.at_offset)
        return None if is_same else before  # the same record is met again after a cycle that failed

    def forget_before(self, now_ms: int) -> None:
        """Remember no longer what no claim can stand for."""
        self._database.execute("DELETE FROM known WHERE at_ms < ?", (now_ms - self._lifetime_ms - _SLACK_MS,))

    def close(self) -> None:
        """Close the database; the folder's end removes it."""
        self._database.close()


def signed(content: int) -> int:
    """Return a print as SQLite has integers."""
    return content if content < 1 << 63 else content - (1 << 64)
