"""Workers by the dozen: a process that has loaded the program once and forks a worker from it when one is asked for.

Starting Python and its drivers takes most of a second of CPU; a fork takes hundredths, so that a kill costs next to
nothing. What runs in the fork is `aimed.main`, `daymark process` or `daymark ingest`, in an environment and with a log
of its own.

`ForkServer` is the asking side. `python -m tests.faults.forkserver` is the other: a line of JSON asks for a worker,
"forked PID" and "ended PID STATUS" are the answers; it ends with its standard input, and its workers with it.
"""

import ctypes
import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

_ROOT = Path(__file__).parents[2]
_FORK_S = 60.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h; elsewhere the fork server's own end is what ends them


class Forked:
    """A worker that was forked; the same to its owner as `daymark.local.children.Child`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.status: int | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._pid

    @property
    def running(self) -> bool:
        """Whether it still runs, or is stopped."""
        return self.status is None

    def kill(self) -> int:
        """Kill it and return its exit status, negative: the signal that ended it."""
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        return self.wait(10)

    def wait(self, seconds: float) -> int:
        """Wait for its end, kill it when that takes longer, and return its exit status."""
        deadline = time.monotonic() + seconds
        while self.status is None:
            if time.monotonic() > deadline:
                return self.kill()
            time.sleep(0.01)
        return self.status


class ForkServer:
    """A running fork server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._pids: SimpleQueue[int] = SimpleQueue()
        self._forked: dict[int, Forked] = {}
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @classmethod
    @contextmanager
    def running(cls, preload: Path | None = None) -> Iterator[Self]:
        """Run one, with a library preloaded or without; its workers end with it."""
        environ = os.environ | ({"LD_PRELOAD": str(preload)} if preload else {})
        command = [sys.executable, "-m", "tests.faults.forkserver"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=_ROOT, env=environ
        ) as process:
            forkserver = cls(process)
            try:
                yield forkserver
            finally:
                assert process.stdin is not None
                process.stdin.close()
                process.wait(30)
                forkserver._thread.join(10)

    def fork_aimed(self, environ: Mapping[str, str], log: Path) -> Forked:
        """Start a worker that can be aimed at in an environment; what it says is appended to a log."""
        return self._fork_one("aimed", environ, log)

    def fork_worker(self, environ: Mapping[str, str], log: Path) -> Forked:
        """Start a worker as released likewise."""
        return self._fork_one("process", environ, log)

    def fork_ingest(self, environ: Mapping[str, str], log: Path) -> Forked:
        """Start an ingest likewise."""
        return self._fork_one("ingest", environ, log)

    def _fork_one(self, name: str, environ: Mapping[str, str], log: Path) -> Forked:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"name": name, "environ": dict(environ), "log": str(log)}) + "\n")
        self._process.stdin.flush()
        return self._forked[self._pids.get(timeout=_FORK_S)]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, pid, *status = line.split()
            if word == "forked":
                self._forked[int(pid)] = Forked(int(pid))
                self._pids.put(int(pid))
            else:
                self._forked[int(pid)].status = int(status[0])


def main() -> None:
    """Load the program and serve."""
    from daymark import cli, worker_wiring  # noqa: F401, PLC0415  so that the forks need not
    from daymark.commands import ingest, process  # noqa: F401, PLC0415
    from ingest import server  # noqa: F401, PLC0415
    from tests.faults import aimed, breaks  # noqa: F401, PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the asking side's to act on
    alive: set[int] = set()
    asked = sys.stdin.fileno()
    rest = b""
    while True:
        if select.select([asked], [], [], 0.02)[0]:
            data = os.read(asked, 1 << 20)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                pid = _fork(json.loads(line))
                alive.add(pid)
                _answer(f"forked {pid}")
        alive -= _reap()
    for pid in alive:
        os.kill(pid, signal.SIGKILL)


def _reap() -> set[int]:
    ended: set[int] = set()
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.add(found[0])
            _answer(f"ended {found[0]} {os.waitstatus_to_exitcode(found[1])}")
    return ended


def _answer(line: str) -> None:
    os.write(sys.stdout.fileno(), line.encode() + b"\n")


def _fork(asked: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _live(asked)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else bool(end.code)
    except BaseException:  # noqa: BLE001  the fork must not go on as a second fork server
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _live(asked: dict[str, Any]) -> None:
    from daymark import cli  # noqa: PLC0415
    from tests.faults import aimed  # noqa: PLC0415

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(asked["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream, target in ((os.open(os.devnull, os.O_RDONLY), 0), (log, 1), (log, 2)):
        os.dup2(stream, target)
    os.environ.clear()
    os.environ.update(asked["environ"])
    random.seed()
    if asked["name"] == "aimed":
        aimed.main()
    else:
        sys.argv = ["daymark", asked["name"]]
        sys.exit(cli.main())


if __name__ == "__main__":
    main()
