"""How close a contact is, from the days on which it was in touch. Pure.

Segment's page on the destination says only that one interaction a day keeps the closeness indicator accurate: that it
counts days. How it weighs them is not published. This model is ours (docs/timeline.md): every day counts the less, the
longer ago it was, by half in 30 days; a contact that is in touch on two days of each week for long comes to 100.
"""

import calendar
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from timeline.store.results import Closeness, Level

_HALF_DAYS: Final = 30
_FULL: Final = 2 / 7 / (1 - 0.5 ** (1 / _HALF_DAYS))  # what two days of each week, forever, add up to
_LEVELS: Final[tuple[tuple[int, Level], ...]] = ((50, "close"), (15, "warm"), (3, "fading"))
_YEAR: Final = timedelta(days=365)


def of(days: Iterable[date], today: date) -> Closeness:
    """Return how close a contact is.

    Args:
        days: with an interaction; those after `today` and those more than a year ago are left out.
        today: from which day it is seen.
    """
    ago = sorted({(today - day).days for day in days if timedelta(0) <= today - day < _YEAR})
    score = min(100, round(100 * sum(0.5 ** (each / _HALF_DAYS) for each in ago) / _FULL))
    level: Level = next((name for least, name in _LEVELS if score >= least), "silent" if ago else "unknown")
    month, quarter, year = (sum(each < days for each in ago) for days in (30, 90, 365))
    return Closeness(month, quarter, year, today - timedelta(ago[0]) if ago else None, score, level)


def year_before(today: date) -> date:
    """Return the first day that counts."""
    return today - _YEAR + timedelta(1)


def months_before(until: date, months: int) -> date:
    """Return the day after the one of the same date some months before: months of them, with the last day included."""
    year, month = divmod(until.year * 12 + until.month - 1 - months, 12)
    day = min(until.day, calendar.monthrange(year, month + 1)[1])
    return date(year, month + 1, day) + timedelta(1)
