"""The progress of a backfill: a local file, and the number of the last committed batch in Kafka.

Before a batch is sent, the progress that it makes is written here under its number; its transaction also commits that
number, as the offset of the backfill's own group. So after a kill at any instant, file and number together show whether
the batch under way was committed. Invariant: everything that is `done` is in Kafka, or was not to be sent.
"""

import json
import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS run (id TEXT, aim TEXT, sequence INTEGER, counts TEXT);
CREATE TABLE IF NOT EXISTS done (name TEXT PRIMARY KEY, lines INTEGER, size INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intent (sequence INTEGER, counts TEXT, done TEXT);
"""


class StateFault(Exception):
    """A state belongs to another run, is in use, or is not a state."""


class Place(NamedTuple):
    """The position in a file: lines read; its size in bytes once it was read to the end, else None."""

    lines: int
    size: int | None


class State:
    """The state of one backfill. Locked against other processes while it is open."""

    def __init__(self, database: sqlite3.Connection, aim: Mapping[str, Any]) -> None:
        """Wrap a database that has its tables; use `open_state`."""
        self._database = database
        row = database.execute("SELECT id, aim, sequence, counts FROM run").fetchone()
        if row is None:
            row = (uuid.uuid4().hex, json.dumps(aim), 0, "{}")
            with database:
                database.execute("INSERT INTO run VALUES (?, ?, ?, ?)", row)
        self.id: str = row[0]
        self.sequence: int = row[2]
        self.counts: dict[str, Any] = json.loads(row[3])
        self.done: dict[str, Place] = {
            name: Place(lines, size) for name, lines, size in database.execute("SELECT name, lines, size FROM done")
        }
        if differing := [name for name, value in json.loads(row[1]).items() if aim.get(name) != value]:
            known = json.loads(row[1])
            other = ", ".join(f"{name} {known[name]}" for name in differing)
            raise StateFault(f"it belongs to a backfill with another {other}: use the same, or another --state")

    def close(self) -> None:
        """Close the file and release its lock."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def settle(self, committed: int | None) -> None:
        """Decide, by the last batch that Kafka has committed, whether the batch under way when a run ended counts.

        Args:
            committed: its number; None if Kafka has none. (Kafka forgets it after a week.)

        Raises:
            StateFault: more was sent than this state knows.
        """
        row = self._database.execute("SELECT sequence, counts, done FROM intent").fetchone()
        if committed is not None and committed > max(self.sequence, row[0] if row else 0):
            raise StateFault("it is an older copy: more was sent since. Use the newest")
        if row is not None and row[0] == committed:
            self._apply(row[0], json.loads(row[1]), {name: Place(*place) for name, place in json.loads(row[2]).items()})
        else:
            with self._database:
                self._database.execute("DELETE FROM intent")

    def intend(self, counts: Mapping[str, Any], done: Mapping[str, Place]) -> int:
        """Store the progress that the next batch will make, and return its number."""
        with self._database:
            self._database.execute("DELETE FROM intent")
            row = self.sequence + 1, json.dumps(counts), json.dumps(done)
            self._database.execute("INSERT INTO intent VALUES (?, ?, ?)", row)
        return self.sequence + 1

    def advance(self, counts: Mapping[str, Any], done: Mapping[str, Place]) -> None:
        """Store the progress of lines without anything to send."""
        self._apply(self.sequence, counts, done)

    def _apply(self, sequence: int, counts: Mapping[str, Any], done: Mapping[str, Place]) -> None:
        with self._database as database:
            database.execute("UPDATE run SET sequence = ?, counts = ?", (sequence, json.dumps(counts)))
            rows = [(name, *place) for name, place in done.items()]
            database.executemany("INSERT OR REPLACE INTO done VALUES (?, ?, ?)", rows)
            database.execute("DELETE FROM intent")
        self.sequence, self.counts = sequence, dict(counts)
        self.done.update(done)


def open_state(path: Path, aim: Mapping[str, Any]) -> State:
    """Open a state, or create one.

    Args:
        path: of its file.
        aim: the purpose of the backfill; a state with another one is refused.

    Raises:
        StateFault: it has another aim, is in use, or is not a state.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, timeout=0, isolation_level="IMMEDIATE")
    except (OSError, sqlite3.Error) as error:
        raise StateFault(str(error)) from None
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA synchronous = FULL")  # an intent is on disk before its batch is committed
        with closing(database.cursor()) as cursor:
            cursor.execute("BEGIN EXCLUSIVE")
            cursor.execute("COMMIT")
        database.executescript(_TABLES)
        return State(database, aim)
    except sqlite3.Error as error:
        database.close()
        in_use = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
        raise StateFault(
            "another backfill uses it" if in_use else f"it is not the state of a backfill: {error}"
        ) from None
    except StateFault:
        database.close()
        raise
