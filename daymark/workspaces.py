"""The workspaces file, read again when it changes. A new file that cannot be read keeps the old one, and says so."""

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from daymark.settings import SettingsFaults
from schemas.workspace import WorkspaceFaults, Workspaces, parse

_LOOK_EVERY_S = 1.0

log = structlog.get_logger()


class WorkspacesFile:
    """A file of workspaces that is looked at once a second, when asked."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file.

        Raises:
            SettingsFaults: it cannot be read; with every fault at once.
        """
        self._path, self._clock = path, clock
        self._stamp, self._looked_at = _stamp(path), clock()
        self._workspaces = _read(path)

    def current(self) -> Workspaces:
        """Return the workspaces as the file last could be read."""
        now = self._clock()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                self._reload()
        return self._workspaces

    def _reload(self) -> None:
        try:
            self._workspaces = _read(self._path)
        except SettingsFaults as error:
            log.error("workspaces.refused", path=str(self._path), faults=error.faults)
        else:
            log.info("workspaces.read", path=str(self._path), workspaces=len(self._workspaces.by_name))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file does, also one that was replaced; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> Workspaces:
    try:
        return parse(path.read_text("utf-8"))
    except WorkspaceFaults as error:
        raise SettingsFaults([f"{path}: {fault}" for fault in error.faults]) from None
    except (OSError, ValueError) as error:
        raise SettingsFaults([f"DAYMARK_WORKSPACES: {path} cannot be read: {error}"]) from None
