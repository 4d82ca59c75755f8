"""N processes of one part, as children: a dead one is started again, a signal goes to all of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import NoReturn

import structlog

from daymark import logs
from daymark.local.children import leashed

_LOOK_EVERY_S = 0.2
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_STEADY_S = 60.0  # a child that ran for so long has earned a quick restart
_GRACE_S = 30.0  # a little more than a child gives itself

log = structlog.get_logger()


def run(part: str, environments: Sequence[Mapping[str, str]]) -> NoReturn:
    """Run `daymark <part>` once for each environment, until SIGTERM or SIGINT; then exit.

    Args:
        part: the sub-command.
        environments: what each child's environment adds to this one's.
    """
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    logs.configure()
    children = [_Child(part, environment) for environment in environments]
    while not stopping:
        for child in children:
            child.look()
        time.sleep(_LOOK_EVERY_S)
    sys.exit(_end(children))


class _Child:
    def __init__(self, part: str, environment: Mapping[str, str]) -> None:
        # On the leash it dies with us: left behind, it would hold the slot of its successor.
        self._command = leashed([sys.executable, "-m", "daymark", part])
        self._environment = environment
        self._pause_s = _FIRST_PAUSE_S
        self._again_at: float | None = None
        self._start()

    def look(self) -> None:
        """Start the child again when it is dead, later each time it dies young."""
        now = time.monotonic()
        if self._again_at is None and self.process.poll() is not None:
            steady = now - self._started_at > _STEADY_S
            self._pause_s = _FIRST_PAUSE_S if steady else min(self._pause_s * 2, _LONGEST_PAUSE_S)
            self._again_at = now + self._pause_s
            log.error("child.died", status=self.process.returncode, again_in_s=self._pause_s, **self._environment)
        if self._again_at is not None and now >= self._again_at:
            self._start()

    def _start(self) -> None:
        # A session of its own: Ctrl-C reaches the parent alone, which passes it on.
        self.process = subprocess.Popen(self._command, env={**os.environ, **self._environment}, start_new_session=True)  # noqa: S603
        self._started_at, self._again_at = time.monotonic(), None


def _end(children: Sequence[_Child]) -> int:
    for child in children:
        if child.process.poll() is None:
            child.process.terminate()
    deadline = time.monotonic() + _GRACE_S
    for child in children:
        try:
            child.process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
    return 1 if any(child.process.returncode for child in children) else 0
