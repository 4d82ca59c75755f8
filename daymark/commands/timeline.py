"""`daymark timeline`: the output topics as tables (contract, section 8; docs/timeline.md)."""

import signal
import threading
from typing import Any

import click

from daymark.settings import Settings, from_environment


@click.command()
def command() -> None:
    """Keep a database of timelines, audiences and rejections.

    Reads timeline.interactions, contact.traits and segment.rejected into SQLite or PostgreSQL (DAYMARK_TIMELINE), each
    record once, and goes on where it was after any crash. It joins no group, and moves nobody's offsets; a second
    process on the same database stands by.
    """
    _read(from_environment())


def _read(found: Settings) -> None:
    stop = threading.Event()

    def leave(*_: Any) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    try:
        from daymark import timeline_wiring  # noqa: PLC0415  an extra
        from timeline.store import StoreDown, WrongURL  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed; install daymark[timeline]") from None
    try:
        timeline_wiring.read(found, stop)
    except WrongURL as error:
        raise click.UsageError(f"DAYMARK_TIMELINE: {error}") from None
    except StoreDown as error:
        raise click.ClickException(f"the store: {error}") from None
