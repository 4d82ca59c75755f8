"""A small disk of a Kafka node, to be filled: a file system in memory, one of the node's two `log.dirs`.

Needs root. Filled, it takes not a page more: what the node writes there soon fails, and the node gives the folder up.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_SIZE = "64m"
_ZEROS = bytes(4096)
_FULL = b"No space left on device"


class Disk:
    """One node's; `folder` is where it is mounted, `log` is the node's own."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self._ballast, self._log = folder / "ballast", log
        self._said = 0

    def fill(self) -> None:
        """Fill it to the last page."""
        self._said = self._complaints()
        with self._ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(_ZEROS)

    def free(self) -> int:
        """Free it; return how often the node has complained since it was filled."""
        self._ballast.unlink(missing_ok=True)
        return self._complaints() - self._said

    def _complaints(self) -> int:
        return self._log.read_bytes().count(_FULL) if self._log.exists() else 0


@contextmanager
def mounted(homes: Sequence[Path]) -> Iterator[list[Disk]]:
    """Mount one in each node's home, `disk`.

    Raises:
        subprocess.CalledProcessError: it cannot be mounted.
    """
    disks = [Disk(home / "disk", home / f"kafka-{number}.log") for number, home in enumerate(homes, start=1)]
    done: list[Disk] = []
    try:
        for disk in disks:
            disk.folder.mkdir(parents=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "daymark-faults", disk.folder], check=True)
            done.append(disk)
        yield disks
    finally:
        for disk in done:
            subprocess.run(["umount", "--lazy", disk.folder], check=True)


def lacks() -> str:
    """Return what this machine lacks for it, nothing if it can."""
    return "" if sys.platform == "linux" and not os.geteuid() else "only root, on Linux, may mount a disk"
