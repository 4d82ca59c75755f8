"""The results of sending, counted while it runs; and its rate."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from daymark.simulation.audience import Event


@dataclass(slots=True)
class Tally:
    """Counts of one run.

    Attributes:
        sent: events that got an answer, or that Kafka has.
        answers: HTTP answers by status.
        rejected: events refused, by code.
        unexpected: events that met with something else than expected, by (expected, found); "" is: taken.
        tried_again: requests sent again after 429, 5xx or a lost connection.
        failed: events that finally were not taken, though they were to be tried again.
        advance: told how many events are done since it was last told, for a progress bar.
    """

    sent: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[tuple[str, str]] = field(default_factory=Counter)
    tried_again: int = 0
    failed: int = 0
    advance: Callable[[int], object] = lambda _events: None

    def judge(self, event: Event, code: str | None) -> None:
        """Count what an answer said of an event: the code of its refusal, or None where it was taken."""
        self.sent += 1
        if code is not None:
            self.rejected[code] += 1
        if code != event.reason:
            self.unexpected[event.reason or "", code or ""] += 1


class Pace:
    """Spreads events evenly over time."""

    def __init__(self, events_per_second: float | None, now_s: float) -> None:
        """Start at `now_s`, on any clock of seconds; a rate of None is as fast as can be."""
        self._each_s = 1 / events_per_second if events_per_second else 0.0
        self._next_s = now_s

    def delay(self, events: int, now_s: float) -> float:
        """Return for how many seconds these events have to wait. A pause is not made up for."""
        starts_s = max(self._next_s, now_s)
        self._next_s = starts_s + events * self._each_s
        return starts_s - now_s
