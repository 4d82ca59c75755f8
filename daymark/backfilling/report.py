"""The summary of a backfill."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from daymark import instant


class Files(NamedTuple):
    """The number of files, of those done before, and of other files among them; the names of damaged ones."""

    files: int
    before: int
    stray: int
    damaged: tuple[str, ...]


def as_json(counts: Mapping[str, Any], files: Files, *, dry_run: bool) -> str:
    """Return one line for programs."""
    ends = {name: _shown(counts.get(f"{name}_ms")) for name in ("earliest", "latest")}
    numbers = {name: counts.get(name, 0) for name in ("lines", "sent", "other_time")}
    rejected = dict(sorted(counts.get("rejected", {}).items()))
    return json.dumps({"dry_run": dry_run, **files._asdict(), **numbers, "rejected": rejected, **ends})


def as_text(counts: Mapping[str, Any], files: Files, *, dry_run: bool, rate: float | None = None) -> Iterator[str]:
    """Yield lines for people; `rate`: events a second at most, None without a limit."""
    before = f", {files.before:,} already done" if files.before else ""
    yield f"{files.files:,} files{before}; {files.stray:,} skipped by name"
    yield _row("lines", counts.get("lines", 0))
    sent = counts.get("sent", 0)
    span = f"   from {_shown(counts['earliest_ms'])} to {_shown(counts['latest_ms'])}" if sent else ""
    yield _row("would be sent" if dry_run else "sent", sent) + span
    if dry_run and rate and sent:
        yield f"  which takes about {instant.lasting(sent / rate)} at {rate:,.10g} events/s"
    if counts.get("other_time"):
        yield _row("outside the time range", counts["other_time"])
    for reason, lines in sorted(counts.get("rejected", {}).items(), key=lambda each: (-each[1], each[0])):
        yield _row(reason, lines)


def _row(name: str, number: int) -> str:
    return f"  {name:<20} {number:>13,}"


def _shown(epoch_ms: int | None) -> str | None:
    return None if epoch_ms is None else instant.shown(epoch_ms)
