"""How much is measured, and how what goes on is told."""

from collections.abc import Callable
from typing import NamedTuple

PARTS = ("processor", "ingest", "latency", "growth", "start", "isolation", "store", "connections")


class Options(NamedTuple):
    """Sizes of a benchmark.

    Attributes:
        events: that a run of the processor takes.
        runs: of each contender, in turn with the others.
        seconds: of each measurement under a steady rate.
        deep: go on to ten million contacts.
        say: shows what is being done.
        note: says what is to stay on the screen.
    """

    events: int
    runs: int
    seconds: float
    deep: bool
    say: Callable[[str], None]
    note: Callable[[str], None]
