"""`--workers N`: a pre-fork supervisor, which restarts workers that die.

The parent creates no client: it forks before any thread exists, and waits for signals. A worker whose parent was killed
shuts down as on SIGTERM: otherwise it would keep its successor's slot or port.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from daymark.backoff import Backoff

BAD_SETTINGS: Final = 2  # a worker that begins with it would do so again, and so would the others
INTERRUPTED: Final = 130

_SIGNALS: Final = {signal.SIGTERM, signal.SIGINT}
_LOOK_EVERY_S = 0.2

log = structlog.get_logger()


def supervise(workers: int, run: Callable[[int], int], release: Callable[[], None] = lambda: None) -> int:
    """Run workers until SIGTERM or SIGINT, which is handed on to them; return the highest of their exit codes.

    Args:
        workers: how many.
        run: the life of one, given its number from 0; returns its exit code. It runs in a separate process.
        release: closes what the parent holds only to start a dead worker again, such as sockets. Called on the signal.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    children = [_Child(number, run) for number in range(workers)]
    while (told := _heard()) is None:
        for child in children:
            child.look()
            if child.code == BAD_SETTINGS and child.lives == 1:  # later the others have a file that was good
                return max(BAD_SETTINGS, _end(children, signal.SIGTERM))
    release()
    return _end(children, told)


def _heard() -> int | None:
    """Return the signal that arrived; None if none did for a moment."""
    info = signal.sigtimedwait(_SIGNALS, _LOOK_EVERY_S)
    return None if info is None else info.si_signo


class _Child:
    """One worker: its process, how often it was started, and when it is restarted."""

    def __init__(self, number: int, run: Callable[[int], int]) -> None:
        self._number, self._run, self._backoff = number, run, Backoff()
        self.code: int | None = None
        self.lives = 0
        self._due = 0.0  # of the restart, monotonic
        self._start()

    def look(self) -> None:
        """Restart the worker when it has died, with exponential back-off."""
        if self.code is None:
            self.code = self._ended(os.WNOHANG)
            if self.code is not None:
                now = time.monotonic()
                pause_s = self._backoff.pause(now - self._started_at)
                self._due = now + pause_s
                log.error("worker.died", number=self._number, status=self.code, again_in_s=pause_s)
        elif time.monotonic() >= self._due:
            self._start()

    def tell(self, number: int) -> None:
        """Send the worker a signal, if it runs."""
        if self.code is None:
            os.kill(self._pid, number)

    def has_ended(self) -> bool:
        """Return whether the worker has ended. Its own grace is bounded."""
        if self.code is None:
            self.code = self._ended(os.WNOHANG)
        return self.code is not None

    def _start(self) -> None:
        self.code, self._started_at = None, time.monotonic()
        self.lives += 1
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _live(self._number, self._run, parent)

    def _ended(self, options: int) -> int | None:
        """Return how the process ended: its exit code, or 128 and the signal's number; None while it runs."""
        pid, status = os.waitpid(self._pid, options)
        code = os.waitstatus_to_exitcode(status)
        return None if not pid else code if code >= 0 else 128 - code


def _end(children: Sequence[_Child], told: int | None) -> int:
    """Forward a signal, and further ones as they arrive: the second one means that it is urgent."""
    while True:
        if told is not None:
            for child in children:
                child.tell(told)
        if not [child for child in children if not child.has_ended()]:
            return max(child.code or 0 for child in children)
        told = _heard()


def _live(number: int, run: Callable[[int], int], parent: int) -> None:
    code = 1
    try:
        threading.Thread(target=_leave_when_orphaned, args=[parent], daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        code = run(number)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        log.exception("worker.crashed", number=number)
    finally:
        os._exit(code)  # never back into the parent's frames


def _leave_when_orphaned(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
