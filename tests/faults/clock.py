"""Wall clocks of single processes, to be set while they run: forward and back, as an operator or a wrong NTP does.

Owns the library that is preloaded into them (`clock.c`), and each one's file. Monotonic clocks go on.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")
_SECOND_NS = 1_000_000_000


def build(folder: Path) -> Path:
    """Compile the library to be preloaded.

    Raises:
        subprocess.CalledProcessError: it does not compile.
    """
    library = folder.absolute() / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, _SOURCE, "-ldl"], check=True)
    return library


def lacks() -> str:
    """Return what this machine lacks for it, nothing if it can."""
    if sys.platform != "linux":
        return "only Linux with glibc preloads what sets a clock"
    return "" if shutil.which("cc") else "there is no C compiler: install one"


class Clock:
    """The clock of one process, and of each that takes its place."""

    def __init__(self, file: Path) -> None:
        """Begin with the machine's time."""
        self._file = file.absolute()
        self._file.write_bytes(bytes(16))

    def environ(self, library: Path) -> dict[str, str]:
        """Return what a process needs in its environment."""
        return {"LD_PRELOAD": str(library), "FAULTS_CLOCK": str(self._file)}

    def set(self, ahead_s: float) -> None:
        """Set it so many seconds ahead of the machine's, or behind it."""
        file = os.open(self._file, os.O_WRONLY)
        try:
            os.pwrite(file, round(ahead_s * _SECOND_NS).to_bytes(8, sys.byteorder, signed=True), 0)
        finally:
            os.close(file)

    def wrong_reads(self) -> int:
        """Return how often the process has read it while it was wrong."""
        return int.from_bytes(self._file.read_bytes()[8:], sys.byteorder)
