"""Names a process beyond its pid, which is used again after a while, and ends it.

Owns: the birth mark of a process and the pid file that holds it. Does not: start anything (`children` does).
Invariant: a process is signalled only while its birth mark is the one noted down.
"""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

_LINUX = Path("/proc/self/stat").exists()
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_POLL_S = 0.02
_KILL_S = 10.0  # the kernel needs moments; only a process stuck in a device stays longer


def birth(pid: int) -> str | None:
    """Return when the process was started, as text that no other process of this pid ever has; None if it is gone."""
    return _linux_birth(pid) if _LINUX else _ps_birth(pid)


def note(file: Path, pid: int) -> None:
    """Write the pid file of a running process, whole or not at all."""
    new = file.with_suffix(".new")
    new.write_text(f"{pid} {birth(pid)}\n")
    new.replace(file)


def noted(file: Path) -> int | None:
    """Return the pid in the file if that very process still runs."""
    try:
        pid, mark = file.read_text().strip().split(" ", 1)
        return int(pid) if birth(int(pid)) == mark else None
    except (FileNotFoundError, ValueError):
        return None


def end_noted(file: Path, patience_s: float) -> bool:
    """End the process that the file names, if it still runs: SIGTERM, after `patience_s` seconds SIGKILL.

    Returns:
        Whether there was one.
    """
    pid = noted(file)
    if pid is not None:
        mark = birth(pid)
        for signum, seconds in ((signal.SIGTERM, patience_s), (signal.SIGKILL, _KILL_S)):
            if birth(pid) == mark:
                with suppress(ProcessLookupError):
                    os.kill(pid, signum)
                _wait_gone(pid, mark, seconds)
    file.unlink(missing_ok=True)
    return pid is not None


def _wait_gone(pid: int, mark: str | None, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while birth(pid) == mark and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _linux_birth(pid: int) -> str | None:
    try:
        # The name in parentheses may hold anything, so count from its end: state is field 3, start time 22 (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else f"{_BOOT_ID.read_text().strip()}/{fields[19]}"


def _ps_birth(pid: int) -> str | None:
    command = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})  # noqa: S603
    state, _, started = shown.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else " ".join(started.split())
