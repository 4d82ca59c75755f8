"""What a run of faults came to: counts, and the tables that show them."""

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from tests.faults.judge import Finding
from tests.faults.schedule import Kind

_LARGEST = {"longest_gap_s", "most_behind", "capacity"}


@dataclass
class Tally:
    """One run, or several added up.

    `seen` counts what shows that faults happened. `steps` counts what was hit, by "step act"; `said` the workers' own
    words. `recovery_s` has for each kill how long the slowest of the worker's partitions stood still, but for those
    `cut_short` by the kill of the one that the group gave them to; `late` counts the kills after which one did so for
    too long. `capacity` is in events a second.
    """

    runs: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    links: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    acknowledged_lost: int = 0
    audits: int = 0
    troubles: list[str] = field(default_factory=list)
    recovery_s: list[float] = field(default_factory=list)
    late: int = 0
    cut_short: int = 0
    empty_handed: int = 0
    longest_gap_s: float = 0.0
    most_behind: int = 0
    capacity: float = 0.0
    vitals: dict[str, str] = field(default_factory=dict)

    @property
    def kills(self) -> int:
        """SIGKILLs of workers, at random and aimed, and of ingest."""
        return sum(self.faults[kind] for kind in (Kind.KILL, Kind.AIMED_KILL, Kind.INGEST_KILL))

    def add(self, other: "Tally") -> None:
        """Add another run."""
        for name, value in vars(other).items():
            mine = getattr(self, name)
            if isinstance(value, dict):
                mine.update(value)
            elif name in _LARGEST:
                setattr(self, name, max(mine, value))
            else:
                setattr(self, name, mine + value)

    def note(self, finding: Finding) -> None:
        """Take what an audit has found."""
        self.audits += 1
        self.found.update(finding._asdict())

    def values(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return {**vars(self), "kills": self.kills, "recovery_s": percentiles(self.recovery_s)}

    def tables(self) -> Iterator[Table]:
        """Yield it for a person."""
        yield _table(f"Faults ({self.runs} runs, {self.seconds:.0f} s)", {**self.faults, "kills in all": self.kills})
        if self.seen:
            yield _table(
                "Traces of faults: partitions moved, pieces held, complaints, reads of a wrong clock", self.seen
            )
        if self.steps:
            yield _table("Aimed at a step", self.steps)
        if self.links:
            yield _table("Connections", self.links)
        yield _table("What workers said, and how processes ended", {**self.said, **self.ends})
        answers = {f"HTTP: {name}": count for name, count in self.answers.items()}
        yield _table(
            "Found",
            {**self.found, "answered 200": self.acknowledged, "of them lost": self.acknowledged_lost, **answers},
        )
        if self.vitals:
            yield _table("Watched", self.vitals)
        if self.recovery_s:
            rows = {
                f"standstill of a killed worker's partitions, {name}": f"{value:.1f} s"
                for name, value in percentiles(self.recovery_s).items()
            }
            yield _table(
                "Recovery",
                {
                    "kills judged": len(self.recovery_s),
                    **rows,
                    "kills after which it took too long": self.late,
                    "partitions that went to another one killed": self.cut_short,
                    "workers killed that held no partition": self.empty_handed,
                    "longest time without any commit": f"{self.longest_gap_s:.1f} s",
                    "most events that were yet to commit": self.most_behind,
                },
            )


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median, higher percentiles and the maximum."""
    if len(seconds) < 2:
        return {"max": seconds[0]} if seconds else {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": max(seconds)}


def _table(title: str, rows: dict[str, Any] | Counter[str]) -> Table:
    table = Table("", "", title=title, show_header=False, min_width=60)
    table.columns[1].justify = "right"
    for name, value in rows.items():
        table.add_row(str(name), f"{value:,}" if isinstance(value, int) else str(value))
    return table
