"""How far a backfill has come: a file beside it, and one number in Kafka that says which of its batches are committed.

Before a batch is sent, what will then be done is written here under the batch's number; the transaction that commits
the batch commits that number too, as the offset of a group of the backfill's own. So after a kill at any instant the
two together tell whether the one batch under way is there. Invariant: what is `done` is in Kafka or was not to be.
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
    """A state is another run's, or in use, or no state."""


class Place(NamedTuple):
    """How far a file was read: lines; and its size in bytes once it was read to the end, else None."""

    lines: int
    size: int | None


class State:
    """The state of one backfill. Locked against other processes while it is open."""

    def __init__(self, database: sqlite3.Connection, aim: Mapping[str, Any]) -> None:
        """Take a database whose tables are there; `open_state` makes one."""
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
            told = ", ".join(f"{name} {known[name]}" for name in differing)
            raise StateFault(f"it belongs to a backfill with another {told}: use the same, or another --state")

    def close(self) -> None:
        """Let others open it."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def settle(self, committed: int | None) -> None:
        """Say which batch Kafka knows as committed, so that the one under way when a run ended counts, or does not.

        Args:
            committed: its number; None where Kafka knows of none. (It forgets a week after the last.)

        Raises:
            StateFault: more was sent than is known here.
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
        """Write down what will be done once the next batch is committed, and return that batch's number."""
        with self._database:
            self._database.execute("DELETE FROM intent")
            row = self.sequence + 1, json.dumps(counts), json.dumps(done)
            self._database.execute("INSERT INTO intent VALUES (?, ?, ?)", row)
        return self.sequence + 1

    def advance(self, counts: Mapping[str, Any], done: Mapping[str, Place]) -> None:
        """Note what was read without anything to send in it."""
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
    """Open a state, or begin one.

    Args:
        path: of its file.
        aim: what the backfill is for; a state of another one is refused.

    Raises:
        StateFault: it is another's, in use, or no state.
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
