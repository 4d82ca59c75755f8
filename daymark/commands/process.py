"""`daymark process`: one worker, or N of them."""

import gc
import os
import signal
import sys
import threading
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from daymark import slots
from daymark.setting_types import Address
from daymark.settings import Settings, SettingsFaults, from_environment

if TYPE_CHECKING:
    from processor.worker import Worker

# What a batch may take after SIGTERM before the worker leaves without its goodbye. Kafka then aborts the transaction.
_GRACE_S: Final = 25.0

_ADMIN: Final = Address("127.0.0.1", 8082)


@click.command(short_help="Run workers: one interaction per contact per day.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of processes, one worker each."
)
def command(workers: int) -> None:
    """Run workers: one interaction per contact per day.

    Each consumes its share of segment.events, claims contact-days in Redis and commits interactions, rejections and
    offsets in one transaction. With --workers N each has a slot NAME-i, and the i-th port from DAYMARK_ADMIN on.
    On SIGTERM a worker commits its batch and exits.
    """
    settings = from_environment()
    if workers == 1:
        _work(settings)
        return
    from daymark import worker_wiring  # noqa: F401, PLC0415  loaded once: a restarted worker need not load it
    from daymark.prefork import supervise  # noqa: PLC0415

    gc.freeze()  # what is loaded stays, and is shared
    sys.exit(supervise(workers, lambda number: _life(settings, number)))


def _life(settings: Settings, number: int) -> int:
    """Be the worker of a number, and return its exit code."""
    host, port = settings.admin or _ADMIN
    try:
        _work(replace(settings, admin=Address(host, port and port + number)), number)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SettingsFaults as error:
        error.show()
        return 2
    return 0


def _work(settings: Settings, number: int | None = None) -> None:
    stopping = _Stopping()
    # Before anything slow is loaded or connected: a SIGTERM in the first second meets a handler.
    signal.signal(signal.SIGTERM, stopping.stop)
    signal.signal(signal.SIGINT, stopping.stop)
    gc.disable()  # loading leaves nothing to collect
    from daymark.worker_wiring import serve  # noqa: PLC0415  loads the drivers

    gc.enable()
    try:
        with slots.held(settings.slot, number, lambda slot: _identity(settings, slot)) as slot:
            serve(replace(settings, slot=slot), settings.admin or _ADMIN, stopping.arm, lambda: stopping.asked)
    finally:
        stopping.done()


def _identity(settings: Settings, slot: str) -> str:
    """Return what no two live workers may share: their name to Kafka."""
    return f"{settings.kafka}\n{settings.topics.prefix}\n{settings.group}\n{slot}"


class _Stopping:
    """The SIGTERM handler: stops the worker if there is one, and exits if that takes too long.

    `asked` says whether it came.
    """

    def __init__(self) -> None:
        self.asked = False
        self._worker: Worker | None = None
        self._timer: threading.Timer | None = None

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self._worker is not None:
            self._worker.stop()
        if self._timer is None:
            self._timer = threading.Timer(_GRACE_S, _leave)
            self._timer.daemon = True
            self._timer.start()

    def arm(self, worker: "Worker") -> None:
        self._worker = worker
        if self.asked:
            worker.stop()

    def done(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _leave() -> None:
    click.echo(
        f"daymark: the last batch did not finish within {_GRACE_S:.0f} s of SIGTERM; exiting without committing it",
        err=True,
    )
    os._exit(1)
