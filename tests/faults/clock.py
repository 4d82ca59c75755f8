"""Wall clocks of single processes, to be set while they run: forward and back, as an operator or a wrong NTP does.

Owns the library that is preloaded into them (`clock.c`), and each one's file. Monotonic clocks go on.
"""

import os
import shutil
import subprocess
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import msgspec

_SOURCE = Path(__file__).with_suffix(".c")
_SECOND_NS = 1_000_000_000
_BACK_S = 30.0  # more than lines of two threads can be out of order


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
        self._file.write_bytes(bytes(8))

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


class _Line(msgspec.Struct):
    timestamp: datetime | None = None


def jumps(log: Path) -> int:
    """Return how often the time of a process's log lines went back: once each time that its clock was set and reset."""
    times = []
    for line in log.read_bytes().splitlines() if log.exists() else ():
        try:
            at = msgspec.json.decode(line, type=_Line).timestamp
        except msgspec.DecodeError:
            continue
        if at is not None:
            times.append(at.timestamp())
    return sum(after < before - _BACK_S for before, after in pairwise(times))
