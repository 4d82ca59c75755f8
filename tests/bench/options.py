"""How much is measured, and how progress is reported."""

from collections.abc import Callable
from typing import NamedTuple

from tests.bench.mixed import Mix

PARTS = (
    *("processor", "ingest", "latency", "scaling", "growth", "start", "isolation", "store", "connections", "disk"),
    *("timeline", "lane", "python"),
)
MIXED = ("processor", "ingest", "latency", "scaling", "python")  # parts that take the mixed load


class Options(NamedTuple):
    """Sizes of a benchmark.

    Attributes:
        events: that a run of the processor takes.
        runs: of each contender, in turn with the others.
        seconds: of each measurement under a steady rate.
        deep: go on to ten million contacts, and to runs of five million events.
        seed: of the mixed load.
        base: another state of Daymark to measure beside this one, as git names it.
        say: shows what is being done.
        note: says what is to stay on the screen.
    """

    events: int
    runs: int
    seconds: float
    deep: bool
    seed: int
    base: str | None
    say: Callable[[str], None]
    note: Callable[[str], None]

    def mix(self, events: int) -> Mix:
        """Return a mixed load of so many events, such that each state of Daymark that is measured can read it."""
        return Mix(events, seed=self.seed, dated=self.base is not None)
