"""The temporary folder of an audit, which a killed one leaves behind: the next removes it.

A folder is in use while its file `lock` is locked; the kernel unlocks it, however its process ends.
"""

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "daymark-audit-"
_YOUNG_S: Final = 60.0  # its lock may just be about to be taken


@contextmanager
def scratch(parent: Path | None) -> Iterator[Path]:
    """Make a folder for one audit, and remove those that killed ones left.

    Args:
        parent: where; None: the system's folder for temporary files.

    Raises:
        OSError: it cannot be made.
    """
    _sweep(parent or Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as name, (Path(name) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Path(name)


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / "lock").open("r+") as lock:  # another user's, or in use
            if time.time() - folder.stat().st_ctime > _YOUNG_S:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
