"""How other commands find a running `daymark up`: in this folder or one above it, or anywhere if it is the only one.

A running instance describes itself in `up.json` in its data folder, and records that folder in the user's cache.
Invariant: only files of this user are trusted, and only while the process that wrote them runs.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = ".daymark"
DATA: Final = "DAYMARK_DATA"  # names the data folder, of `daymark up` and of the one to find
_FILE: Final = "up.json"
_HOLD: Final = "workers.hold"  # in the data folder: the id of the process for which the workers stand still


class Running(NamedTuple):
    """How a running `daymark up` is reached (contract, section 8)."""

    http: str
    admin: str
    kafka: str
    redis: str
    key: str
    workspace: str


class Described(NamedTuple):
    """A running `daymark up`: its data folder, its process, how it is reached, and each worker's health and metrics.

    `page` is where the timeline is served; None: its packages are not installed. `lane`: its workers read
    segment.backfill, too.
    """

    folder: Path
    pid: int
    at: Running
    workers: tuple[str, ...]
    page: str | None = None
    lane: bool = False

    @property
    def workspaces(self) -> Path:
        """The workspaces file."""
        return self.folder / "workspaces.toml"

    @property
    def timeline(self) -> Path:
        """The database of `daymark timeline`."""
        return self.folder / "timeline.db"

    @property
    def claim_key(self) -> Path:
        """The file with the claims' secret."""
        return self.folder / "claim.key"


def find(environ: Mapping[str, str], here: Path) -> list[Described]:
    """Return the running `daymark up` that a command means; more than one when it could be any of them.

    Args:
        environ: DAYMARK_DATA names its data folder; XDG_CACHE_HOME or HOME says where all are noted.
        here: the current folder; its own `.daymark/` comes before those above it, and these before any elsewhere.
    """
    if named := environ.get(DATA):
        return [*_described([Path(named)])]
    for folder in (here, *here.parents):
        if found := [*_described([folder / FOLDER])]:
            return found
    with suppress(OSError):
        return [*_described(Path(note.read_text("utf-8")) for note in sorted(_notes(environ).iterdir()))]
    return []


def describe(described: Described, environ: Mapping[str, str]) -> None:
    """Let other commands find this process's `daymark up`; `forget` undoes it."""
    (described.folder / _HOLD).unlink(missing_ok=True)  # of a command that was killed
    new = described.folder / "up.new"
    new.unlink(missing_ok=True)
    own = ("pid", "workers", "page", "lane")
    text = json.dumps({**described.at._asdict(), **{name: getattr(described, name) for name in own}})
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text + "\n")
    new.replace(described.folder / _FILE)
    with suppress(OSError):  # a cache that cannot be written: it is found from its own folder only
        _notes(environ).mkdir(parents=True, exist_ok=True)
        _note(described.folder, environ).write_text(str(described.folder), "utf-8")


def forget(folder: Path, environ: Mapping[str, str]) -> None:
    """Remove what `describe` wrote."""
    (folder / _FILE).unlink(missing_ok=True)
    with suppress(OSError):
        _note(folder, environ).unlink(missing_ok=True)


@contextmanager
def workers_held(up: Described) -> Iterator[None]:
    """Let a running `daymark up` stop its workers, and start them again when this is over, or this process gone."""
    file = up.folder / _HOLD
    file.write_text(str(os.getpid()), "utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def are_workers_held(folder: Path) -> bool:
    """Return whether a process that runs wants the workers of a data folder to stand still."""
    with suppress(OSError, ValueError):
        os.kill(int((folder / _HOLD).read_text("utf-8")), 0)
        return True
    return False


def _described(folders: Any) -> Iterator[Described]:
    for folder in folders:
        with suppress(OSError, ValueError, TypeError, KeyError):
            file = folder / _FILE
            if file.stat().st_uid != os.getuid():
                continue
            found = json.loads(file.read_bytes())
            os.kill(found["pid"], 0)
            at = Running(*(found[name] for name in Running._fields))
            more = found.get("page"), found.get("lane", False)
            yield Described(folder.absolute(), found["pid"], at, tuple(found["workers"]), *more)


def _notes(environ: Mapping[str, str]) -> Path:
    cache = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".cache"
    return Path(cache) / "daymark" / "running"


def _note(folder: Path, environ: Mapping[str, str]) -> Path:
    return _notes(environ) / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
