"""The counters of a run, and the rate at which it sends."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from daymark.simulation.audience import Event


@dataclass(slots=True)
class Tally:
    """Counts of one run.

    Attributes:
        sent: events that were answered, or that Kafka acknowledged.
        answers: HTTP responses by status.
        rejected: events rejected, by code.
        unexpected: events with another outcome than expected, by (expected, actual); "" means accepted.
        tried_again: requests sent again after 429, 5xx or a lost connection.
        failed: events given up after retries.
        advance: called with the number of events done since its last call, for a progress bar.
    """

    sent: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[tuple[str, str]] = field(default_factory=Counter)
    tried_again: int = 0
    failed: int = 0
    advance: Callable[[int], object] = lambda _events: None

    def judge(self, event: Event, code: str | None) -> None:
        """Count the outcome of an event: the code of its rejection, or None if it was accepted."""
        self.sent += 1
        if code is not None:
            self.rejected[code] += 1
        if code != event.reason:
            self.unexpected[event.reason or "", code or ""] += 1


class Pace:
    """Spreads events evenly over time."""

    def __init__(self, events_per_second: float | None, now_s: float) -> None:
        """Start at `now_s`, on any clock of seconds; a rate of None is unlimited."""
        self._each_s = 1 / events_per_second if events_per_second else 0.0
        self._next_s = now_s

    def delay(self, events: int, now_s: float) -> float:
        """Return how many seconds these events have to wait. Time lost in a pause is not caught up."""
        starts_s = max(self._next_s, now_s)
        self._next_s = starts_s + events * self._each_s
        return starts_s - now_s
