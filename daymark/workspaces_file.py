"""The workspaces file, reloaded when it changes. An invalid new version is logged, and the previous one stays in force.

Invariant: a file is read only after it has not changed for a moment, so that a partly written one is never used (an
empty file is valid, and has no keys). A large file is read by a thread that pauses as often as it works; meanwhile
callers get the previous workspaces.
"""

import gc
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from daymark.settings import SettingsFaults
from schemas.workspace import WorkspaceFaults, Workspaces, digest, parse

LOOK_EVERY_S: Final = 0.4  # twice in the second within which a change is promised to be seen

_STILL_NS = 400_000_000

_AT_ONCE_BYTES: Final = 64 * 1024  # 10 ms
_PAUSE_S: Final = 0.001  # in which the interpreter is everybody else's
_PUBLISHED: Final = digest("daymark_development_key")  # schemas/workspaces.example.toml's: no secret

log = structlog.get_logger()


class _Stamp(NamedTuple):
    """What identifies a version of the file."""

    changed_ns: int
    size: int
    inode: int


class WorkspacesFile:
    """A file of workspaces that is looked at a few times a second, when asked. For use by several threads."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic, *, with_secrets: bool = False) -> None:
        """Read the file.

        Args:
            path: of the file.
            clock: monotonic, in seconds.
            with_secrets: whether signatures will be checked, for which the files named by `secret_file` are read.

        Raises:
            SettingsFaults: it cannot be read; with every fault at once.
        """
        self._path, self._clock, self._with_secrets = path, clock, with_secrets
        self._lock = threading.Lock()
        self._stamp = self._seen = _stamp(path)
        self._looked_at, self._refused = clock(), False
        self._reading: threading.Thread | None = None
        gc.disable()  # what is read stays: to look through it again and again takes a third of the time
        try:
            self._workspaces = read(path, with_secrets=with_secrets)
        finally:
            gc.enable()
        _warn(self._workspaces)

    def current(self) -> Workspaces:
        """Return the workspaces as the file last could be read."""
        if self._clock() - self._looked_at >= LOOK_EVERY_S:
            with self._lock:
                self._look()
        return self._workspaces

    def is_refused(self) -> bool:
        """Whether the file, as it is now, cannot be read."""
        self.current()
        return self._refused

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked_at < LOOK_EVERY_S:
            return  # another thread was quicker
        self._looked_at = now
        if self._reading is not None and self._reading.is_alive():
            return
        seen, self._seen = self._seen, _stamp(self._path)
        if self._seen != self._stamp and (self._seen == seen or _is_old(self._seen)):
            self._stamp = self._seen
            if self._stamp is None or self._stamp.size <= _AT_ONCE_BYTES:
                self._reload(lambda: None)
            else:
                pause = partial(time.sleep, _PAUSE_S)
                self._reading = threading.Thread(target=self._reload, args=[pause], name="workspaces", daemon=True)
                self._reading.start()

    def _reload(self, pause: Callable[[], None]) -> None:
        try:
            self._workspaces = read(self._path, pause, with_secrets=self._with_secrets)
        except SettingsFaults as error:
            self._refused = True
            log.error("workspaces.refused", path=str(self._path), faults=error.faults)
        else:
            self._refused = False
            log.info("workspaces.read", path=str(self._path), workspaces=len(self._workspaces.by_name))
            _warn(self._workspaces)


def _warn(workspaces: Workspaces) -> None:
    if name := workspaces.by_digest.get(_PUBLISHED):
        log.warning(
            "workspaces.key_public",
            workspace=name,
            advice="anybody can send events with the published development key: `daymark keys new` makes one",
        )


def _stamp(path: Path) -> _Stamp | None:
    """Return what changes when a file does, also one that was replaced; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


def _is_old(stamp: _Stamp | None) -> bool:
    """Whether a file was last written a moment ago: callers that rarely ask need not ask twice."""
    return stamp is not None and time.time_ns() - stamp.changed_ns > _STILL_NS


def read(path: Path, pause: Callable[[], None] = lambda: None, *, with_secrets: bool = False) -> Workspaces:
    """Return the workspaces of a file, with those secrets that are in files of their own if they are asked for.

    `pause` is called every few milliseconds.

    Raises:
        SettingsFaults: it cannot be read; with every fault at once.
    """
    try:
        return parse(path.read_text("utf-8"), pause, partial(_secret, path.parent) if with_secrets else None)
    except WorkspaceFaults as error:
        raise SettingsFaults([f"{path}: {fault}" for fault in error.faults]) from None
    except (OSError, ValueError) as error:
        raise SettingsFaults([f"DAYMARK_WORKSPACES: {path} cannot be read: {error}"]) from None


def _secret(folder: Path, name: str) -> str:
    """Return the text of a file that is named from the workspaces file's folder, without white space around it."""
    return (folder / name).read_text("utf-8").strip()
