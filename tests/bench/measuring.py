"""What processes take: CPU and memory of a process with all its children, found in /proc."""

import os
import time
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and its children have taken, those included that have ended."""
    return sum(own_cpu_s(one) for one in tree(pid))


def own_cpu_s(pid: int) -> float:
    """Return the CPU seconds of one process, of all of its threads, and of children that it has waited for."""
    try:
        own = time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3): to the nanosecond, /proc counts in 10 ms
    except OSError:  # it has gone
        return 0.0
    return own + sum(map(int, _fields(pid)[13:15])) / _TICK  # 16 and 17 of proc(5)


def peak_mb(pid: int) -> float:
    """Return the most memory that a process has held, with that of its children, in MB; shared pages count twice."""
    return sum(_peak_mb(one) for one in tree(pid))


def tree(pid: int) -> list[int]:
    """Return a process and all that came of it and still run."""
    children: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            fields = _fields(int(folder.name))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid]
    for one in found:  # it grows meanwhile
        found += children.get(one, ())
    return found


def _peak_mb(pid: int) -> float:
    peak = _text(_PROC / str(pid) / "status").partition("VmHWM:")[2].split()
    return int(peak[0]) / 1024 if peak else 0.0


def _fields(pid: int) -> list[str]:
    """Return the fields of proc(5)'s stat from the third on; the name before them may hold anything."""
    return _text(_PROC / str(pid) / "stat").rpartition(")")[2].split()


def _text(file: Path) -> str:
    """Return a file's text, empty when its process has gone."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
