"""A worker's slot on this host: taken by a lock on a file, so that no two live workers of a host share one.

The lock ends with its process, however that ends. Where hosts, or containers, share the folder, they share the slots;
where there is no folder to write to, nothing is locked, and Kafka fences the older of two workers of one slot.
"""

import fcntl
import hashlib
import os
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count, islice
from pathlib import Path
from typing import Final

import click
import structlog

_SHARED: Final = Path("/run/daymark")  # systemd's RuntimeDirectory, or a volume that containers share
_MOST: Final = 1000  # slots of one host
_PATIENCE_S, _LOOK_S = 5.0, 0.1  # for a predecessor that is leaving

log = structlog.get_logger()


@contextmanager
def held(given: str | None, number: int | None, identity: Callable[[str], str]) -> Iterator[str]:
    """Hold a slot of this host.

    Args:
        given: the slot that a setting names; None: the first free one named after the host.
        number: of the worker, where one command runs several.
        identity: what no two live workers may share, made of a slot.

    Raises:
        ClickException: another live worker of this host holds the given slot.
    """
    folder = _folder()
    if folder is None:
        log.warning(
            "slots.unlocked", advice="no writable folder for lock files: mount a writable /tmp, or set DAYMARK_SLOT"
        )
        yield _numbered(given or host(), number)
        return
    if given is None:
        slot, file = _free(folder, number, identity)
    else:
        slot = _numbered(given, number)
        file = _awaited(folder / _name(identity(slot)), slot)
    try:
        yield slot
    finally:
        with suppress(OSError):
            (
                folder / _name(identity(slot))
            ).unlink()  # while it is locked: a process waiting for it will see that it is gone
        os.close(file)


def host() -> str:
    """Return the host's name as a slot."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:200] or "host"


def _numbered(name: str, number: int | None) -> str:
    return name if number is None else f"{name}-{number}"


def _free(folder: Path, number: int | None, identity: Callable[[str], str]) -> tuple[str, int]:
    """Take the first free slot: HOST, HOST-1 and so on; of several workers of a command HOST-0 and so on."""
    name = host()
    names = chain([name], (f"{name}-{index}" for index in count(1)))
    if number is not None:
        names = chain(f"{name}-{index}" for index in count())
    for slot in islice(names, _MOST):
        file = _locked(folder / _name(identity(slot)))
        if file is not None:
            return slot, file
    raise click.ClickException(f"all {_MOST} slots of this host are taken; give this worker a DAYMARK_SLOT of its own")


def _awaited(path: Path, slot: str) -> int:
    until = time.monotonic() + _PATIENCE_S
    while (file := _locked(path)) is None:
        if time.monotonic() > until:
            raise click.ClickException(
                f"the slot {slot} is held by another worker of this host{_holder(path)}: give each worker a "
                "DAYMARK_SLOT of its own, or leave it unset, and each takes a free one"
            )
        time.sleep(_LOOK_S)
    return file


def _locked(path: Path) -> int | None:
    """Return the descriptor of a lock file that is ours now; None: somebody else has it."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError:  # another user's
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.path.samestat(os.fstat(file), path.stat())
        except BlockingIOError:
            os.close(file)
            return None
        except FileNotFoundError:
            is_there = False
        if is_there:
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
            return file
        os.close(file)  # its holder has removed it meanwhile


def _holder(path: Path) -> str:
    try:
        return f" (process {int(path.read_text())})"
    except (OSError, ValueError):
        return ""


def _folder() -> Path | None:
    for path in (_SHARED, _temporary()):
        if path is not None and path.is_dir() and os.access(path, os.W_OK | os.X_OK):
            return path
    return None


def _temporary() -> Path | None:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return None


def _name(identity: str) -> str:
    return f"daymark-slot-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.lock"
