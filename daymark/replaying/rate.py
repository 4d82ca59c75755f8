"""How fast a group's workers would process a replay: what was measured, best first, and where that is from.

An idle group's rate only says how little there was to do. Therefore, in this order: the rate that was given; what the
group commits while it is behind; what its workers reached in earlier backlogs; what one worker reached in the published
benchmark. Pure.
"""

from collections.abc import Sequence

import msgspec

from daymark.figures.scrape import Scrape
from daymark.sizing.measured import Figure


class Rate(msgspec.Struct, frozen=True):
    """Events a second.

    Attributes:
        events_per_s: of all workers of the group.
        source: given, group, workers or benchmark.
        told: where it is from, for a person.
    """

    events_per_s: float
    source: str
    told: str

    def __str__(self) -> str:
        """Return it with its source."""
        return f"{self.events_per_s:,.0f} events/s{self.told and ': '}{self.told}"


class Progress(msgspec.Struct, frozen=True):
    """The group's offset in a partition at two moments, and the end of the log at the first one."""

    before: int
    now: int
    end: int


def given(events_per_s: float) -> Rate:
    """Return the rate that a person names."""
    return Rate(events_per_s, "given", "")


def of_group(parts: Sequence[Progress], seconds: float) -> Rate | None:
    """Return what a group commits while it is behind; None where it is not, or nothing that was late moved."""
    late = sum(part.end - part.now for part in parts if part.now < part.end)
    if not any(part.before < part.now < part.end for part in parts):
        return None
    moved = sum(max(0, part.now - part.before) for part in parts)
    return Rate(
        moved / seconds,
        "group",
        f"what the group has committed in the last {seconds:.0f} s, {late:,} events behind",
    )


def of_workers(found: Sequence[Scrape]) -> Rate | None:
    """Return what workers reached in backlogs since they started; None where none of them has had one.

    One that has had none is taken for as fast as the others are on average.
    """
    workers = [each for each in found if each.has("daymark_partitions")]
    pairs = [
        (each.total("daymark_backlog_events_total"), each.total("daymark_backlog_seconds_total")) for each in workers
    ]
    rates = [events / seconds for events, seconds in pairs if events and seconds]
    if not rates:
        return None
    events = int(sum(events for events, _ in pairs))
    return Rate(
        sum(rates) / len(rates) * len(workers),
        "workers",
        f"what {_workers(len(workers))} reached in backlogs since the start ({events:,} events)",
    )


def of_benchmark(figure: Figure, workers: int) -> Rate:
    """Return what so many workers, at least one, would do if each were as fast as that of the published benchmark."""
    workers = max(1, workers)
    return Rate(
        figure.value * workers,
        "benchmark",
        f"{_workers(workers)} as in docs/performance.md, since the group is not behind and nothing was measured here; "
        "--metrics asks its workers, --rate names a rate",
    )


def _workers(number: int) -> str:
    return f"{number} worker{'s' * (number > 1)}"
