"""The expected and actual figures of a run, for people and for programs."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from daymark.simulation.audience import Expected
from daymark.simulation.tally import Tally


@dataclass(frozen=True, slots=True)
class Summary:
    """A run's figures.

    `rejected` counts the rejections in HTTP responses; it is empty when events go straight to the topic, where nothing
    is rejected yet. `unexpected` describes each kind of unexpected outcome, with its count.
    """

    events: int
    sent: int
    retries: int
    late: int
    replayed: int
    contact_days: int
    expected_interactions: int
    expected_properties: int
    expected_rejections: Mapping[str, int]
    rejected: Mapping[str, int]
    answers: Mapping[str, int]
    unexpected: Mapping[str, int]
    tried_again: int
    failed: int
    seconds: float
    events_per_second: int

    @property
    def is_sound(self) -> bool:
        """Whether every event was sent, with the expected outcome."""
        return self.sent == self.events and not self.failed and not self.unexpected


def summarise(expected: Expected, tally: Tally, seconds: float) -> Summary:
    """Return the figures of a run that took this many seconds."""
    return Summary(
        events=expected.events,
        sent=tally.sent,
        retries=expected.retries,
        late=expected.late,
        replayed=expected.replayed,
        contact_days=expected.interactions,
        expected_interactions=expected.interactions,
        expected_properties=expected.properties,
        expected_rejections={reason.value: count for reason, count in expected.rejections.items() if count},
        rejected=dict(sorted(tally.rejected.items())),
        answers={str(status): count for status, count in sorted(tally.answers.items())},
        unexpected={_outcome(*pair): count for pair, count in sorted(tally.unexpected.items())},
        tried_again=tally.tried_again,
        failed=tally.failed,
        seconds=round(seconds, 3),
        events_per_second=round(tally.sent / seconds) if seconds else 0,
    )


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the figures as a JSON object."""
    return asdict(summary)


def as_table(summary: Summary) -> Table:
    """Return the figures as a table for a terminal."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, figure in _lines(summary):
        table.add_row(name, figure)
    return table


def _lines(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "Events sent", f"{summary.sent:,} of {summary.events:,}"
    yield "  of these retries", f"{summary.retries:,}"
    if summary.late:
        yield "  late, after newer ones", f"{summary.late:,}"
    if summary.replayed:
        yield "  replayed", f"{summary.replayed:,}"
    yield "Distinct contact-days", f"{summary.contact_days:,}"
    yield "Expected interactions", f"{summary.expected_interactions:,}"
    yield "Expected properties", f"{summary.expected_properties:,}"
    yield "Expected rejections", f"{sum(summary.expected_rejections.values()):,}"
    for reason, count in summary.expected_rejections.items():
        yield f"  {reason}", f"{count:,}"
    for status, count in summary.answers.items():
        yield f"HTTP {status}", f"{count:,}"
    yield "Requests tried again", f"{summary.tried_again:,}"
    for line, count in summary.unexpected.items():
        yield f"Unexpected: {line}", f"{count:,}"
    if summary.failed:
        yield "Failed", f"{summary.failed:,}"
    yield "Time", f"{summary.seconds:,.1f} s"
    yield "Rate", f"{summary.events_per_second:,} events/s"


def _outcome(expected: str, found: str) -> str:
    return f"expected {expected or 'accepted'}, got {found or 'accepted'}"
