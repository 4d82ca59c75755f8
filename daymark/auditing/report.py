"""What an audit read and found, for people and for programs. Shows, does not judge."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from rich.console import Group
from rich.table import Table

from daymark.auditing.findings import MEANINGS, SETTINGS, Count, Example, Finding, Tally
from daymark.auditing.reach import Reach

_LABELS: Final[Mapping[Count, str]] = {
    Count.CONTACT_DAYS: "Contact-days",
    Count.PROPERTIES: "Properties",
    Count.FORGOTTEN: "Contact-days and properties forgotten",
    Count.INTERACTIONS_AGAIN: "Interactions emitted again",
    Count.REJECTIONS_AGAIN: "Rejections emitted again",
    Count.REJECTIONS_OF_INGEST: "Rejections by ingest, not judged",
    Count.OUT_OF_REACH: "Records from events before the range, not judged",
    Count.NOT_YET: "Records from events after the range, not judged",
}


class Run(msgspec.Struct, frozen=True):
    """The subject of an audit: the group, the number of records read from each topic, and how long that took.

    `time_zones` is the version of the tz database that decided days.
    """

    group: str
    read: Mapping[str, int]
    seconds: float
    time_zones: str


def as_json(run: Run, reach: Reach, tally: Tally) -> dict[str, Any]:
    """Return everything as JSON: every finding and count, including zeros."""
    return {
        "sound": tally.is_sound,
        "group": run.group,
        "time_zones": run.time_zones,
        "lag": reach.lag,
        "deleted_unread": reach.unread,
        "read": dict(run.read),
        "counts": {count.value: tally.counts[count] for count in Count},
        "findings": {
            finding.value: {
                "count": tally.faults[finding],
                "settings": SETTINGS.get(finding, ()),
                "examples": msgspec.to_builtins(tally.examples.get(finding, [])),
            }
            for finding in Finding
        },
        "seconds": round(run.seconds, 3),
    }


def as_tables(run: Run, reach: Reach, tally: Tally) -> Group:
    """Return what was read, what was found, and an example line for each instance that was kept."""
    figures = Table(show_header=False, box=None, pad_edge=False)
    figures.add_column(style="bold")
    figures.add_column(justify="right")
    for name, figure in _figures(run, reach, tally):
        figures.add_row(name, f"{figure:,}")
    figures.add_row("Days judged by the tz database", run.time_zones)
    found = Table("Finding", box=None, pad_edge=False)
    found.add_column("Count", justify="right")
    found.add_column("Meaning")
    for finding, meaning in MEANINGS.items():
        count = tally.faults[finding]
        style = "bold red" if count else "dim"
        found.add_row(finding.value, f"{count:,}", meaning, style=style)
    return Group(figures, "", found, *_advice(tally), *_examples(tally))


def _figures(run: Run, reach: Reach, tally: Tally) -> Iterator[tuple[str, int]]:
    for topic, records in run.read.items():
        yield f"Records of {topic}", records
    for count, label in _LABELS.items():
        if tally.counts[count] or count in {Count.CONTACT_DAYS, Count.PROPERTIES}:
            yield label, tally.counts[count]
    yield f"Events not yet committed by {run.group}, not judged", reach.lag
    if reach.unread:
        yield f"Events deleted before {run.group} could read them", reach.unread


def _advice(tally: Tally) -> Iterator[str]:
    for finding in Finding:
        if tally.faults[finding] and finding in SETTINGS:
            yield f"{finding.value}: unless a limit of the guarantee explains it, check {', '.join(SETTINGS[finding])}"


def _examples(tally: Tally) -> Iterator[str]:
    for finding in Finding:
        for number, example in enumerate(tally.examples.get(finding, [])):
            yield "\n" * (number == 0) + f"{finding.value}: {'; '.join(_words(example))}"


def _words(example: Example) -> Iterator[str]:
    if example.source is not None:
        yield f"event {example.source}"
    if example.at is not None:
        yield f"record {example.at}"
    if example.interaction_id is not None:
        yield example.interaction_id
    if example.fields:
        yield f"differs in {', '.join(example.fields)}"
    if example.why is not None:
        yield example.why
