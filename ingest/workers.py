"""`--workers N`: processes that share one listening socket, and the parent that starts a dead one again.

The parent loads no driver and runs no loop: it waits for signals. Nothing is shared but the socket; each worker has
its own producer, and its own port for health and metrics, as figures of one of several would mislead.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog

log = structlog.get_logger()

BAD_SETTINGS: Final = 2  # a worker that exits so would exit so again
_RESTART_SECONDS = 1.0
_SIGNALS: Final = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}


def supervise(workers: int, run: Callable[[int], int]) -> int:
    """Run workers until SIGTERM or SIGINT, which they are handed on, and return the highest of their exit codes.

    Args:
        workers: how many.
        run: the life of one, given its number from 0; returns its exit code. It runs in a process of its own.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    running = {_start(number, run): number for number in range(workers)}
    stopping, code = False, 0
    while running:
        if signal.sigwait(_SIGNALS) is not signal.SIGCHLD:
            stopping = True
            _tell(running)
        for pid, status in _ended():
            number = running.pop(pid)
            code = max(code, status) if stopping or status == BAD_SETTINGS else code
            if not stopping and status == BAD_SETTINGS:
                stopping = True
                _tell(running)
            if not stopping:
                log.error("worker.died", number=number, status=status)
                time.sleep(_RESTART_SECONDS)
                running[_start(number, run)] = number
    return code


def _start(number: int, run: Callable[[int], int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        code = run(number)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        log.exception("worker.failed", number=number)
    finally:
        os._exit(code)  # never back into the parent's frames


def _tell(running: dict[int, int]) -> None:
    for pid in running:
        os.kill(pid, signal.SIGTERM)


def _ended() -> Iterator[tuple[int, int]]:
    """Yield the children that have ended, and how: an exit code, or 128 and the signal's number."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        code = os.waitstatus_to_exitcode(status)
        yield pid, code if code >= 0 else 128 - code
