"""What a following audit remembers: the last emission of each contact-day, for as long as claims live.

On disk (SQLite, in the audit's temporary folder), 80 bytes each, for a claim's lifetime plus a day; memory holds only
SQLite's cache. Like all facts it is useless after the run, since fingerprints are keyed per process.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

_CACHE_KIB: Final = 64 * 1024
_SLACK_MS: Final = 86_400_000  # kept longer than claims: a repeat at the end of a claim's lifetime is still a duplicate


LOST: Final = -1  # the offset of what was never emitted


class Emission(NamedTuple):
    """An interaction, or another record that is emitted once: its event, its fingerprint, and its coordinates.

    `content`, a signed 64-bit integer, is None if the emission is known to be lost or was erased.
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
        """Whether it was never emitted."""
        return self.at_offset == LOST

    def is_of(self, other: "Emission") -> bool:
        """Whether both have the same event and the same content."""
        return (self.partition, self.offset, self.content) == (other.partition, other.offset, other.content)


class Known:
    """The remembered emissions."""

    def __init__(self, file: Path, lifetime_ms: int) -> None:
        """Create the database.

        Args:
            file: its path, which must not exist.
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
        """Return the last emission of a contact-day; None: none is remembered."""
        row = self._database.execute("SELECT * FROM known WHERE identity = ?", (identity,)).fetchone()
        return None if row is None else Emission(*row)

    def put(self, emissions: Iterable[Emission]) -> None:
        """Remember emissions, each in place of the earlier one of its contact-day."""
        self._database.execute("BEGIN")
        self._database.executemany("REPLACE INTO known VALUES (?, ?, ?, ?, ?, ?, ?)", emissions)
        self._database.execute("COMMIT")

    def take(self, emission: Emission) -> Emission | None:
        """Remember an emission; return the one before it, if that one's claim may still be alive."""
        before = self.get(emission.identity)
        self.put([emission])
        if before is None or emission.at_ms - before.at_ms >= self._lifetime_ms:
            return None
        is_same = (before.at_partition, before.at_offset) == (emission.at_partition, emission.at_offset)
        return None if is_same else before  # the same record is read again after a failed cycle

    def forget_before(self, now_ms: int) -> None:
        """Forget emissions whose claims have expired."""
        self._database.execute("DELETE FROM known WHERE at_ms < ?", (now_ms - self._lifetime_ms - _SLACK_MS,))

    def close(self) -> None:
        """Close the database; it is deleted with the folder."""
        self._database.close()


def signed(content: int) -> int:
    """Return a fingerprint as a signed integer, as SQLite stores them."""
    return content if content < 1 << 63 else content - (1 << 64)
