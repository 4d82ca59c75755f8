"""How values read on a page: instants in the workspace's time zone, spans, numbers. Pure."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

NOTHING: Final = "\N{EN DASH}"  # in place of a value that there is not
_SECOND: Final = 1000
_STEPS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def at(epoch_ms: int | None, zone: tzinfo | None = None) -> str:
    """Return an instant: "25 Nov 2026, 14:03:52"; of one that no calendar has, on which side of it."""
    if epoch_ms is None:
        return NOTHING
    local = _local(epoch_ms, zone)
    if local is None:
        return "after the year 9999" if epoch_ms > 0 else "before the year 1"
    return f"{local.day} {local:%b} {local.year}, {local:%H:%M:%S}"


def clock(epoch_ms: int, zone: tzinfo | None = None) -> str:
    """Return the time of day of an instant: "14:03:52"."""
    local = _local(epoch_ms, zone)
    return NOTHING if local is None else f"{local:%H:%M:%S}"


def recent(epoch_ms: int, now_ms: int) -> str:
    """Return an instant as short as it can be understood: of today (UTC) the time of day, before that with its day."""
    moment, now = _local(epoch_ms), _local(now_ms)
    if moment is None or now is None or moment.year != now.year:
        return at(epoch_ms)
    return clock(epoch_ms) if moment.date() == now.date() else at(epoch_ms).replace(f" {moment.year},", ",")


def iso(epoch_ms: int) -> str:
    """Return an instant for machines, in UTC; one that no calendar has as the first or the last day."""
    moment = _local(epoch_ms) or datetime.combine(date.max if epoch_ms > 0 else date.min, time.min, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _local(epoch_ms: int, zone: tzinfo | None = None) -> datetime | None:
    """Return an instant in a zone; None: it lies outside the years 1 to 9999. Anybody's record may name any number."""
    try:
        return (_EPOCH + timedelta(milliseconds=epoch_ms)).astimezone(zone or UTC)
    except OverflowError:
        return None


def day(value: date) -> str:
    """Return a day: "Wed 25 Nov"."""
    return f"{value:%a} {value.day} {value:%b}"


@lru_cache(4_096)  # a year of a contact has 365
def full_day(value: date) -> str:
    """Return a day with its year: "25 Nov 2026"."""
    return f"{value.day} {value:%b} {value.year}"


def month(value: date) -> str:
    """Return a month: "November 2026"."""
    return f"{value:%B} {value.year}"


def number(value: float) -> str:
    """Return a number, its thousands apart; with one digit after the point where it is small and not whole."""
    if abs(value) < 100 and value != int(value):  # noqa: PLR2004
        return f"{value:,.1f}"
    return f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """Return a span: "12 ms", "3.4 s", "5 min", "2 h"."""
    if value is None:
        return NOTHING
    if value < 1:
        return f"{value * _SECOND:,.0f} ms"
    for size, unit in _STEPS:
        if value >= 2 * size:
            return f"{value / size:,.0f} {unit}"
    return f"{value:,.1f} s"


def ago(epoch_ms: int, now_ms: int) -> str:
    """Return how long ago an instant was: "5 min ago"."""
    span = (now_ms - epoch_ms) / _SECOND
    return "just now" if span < 1 else f"{seconds(span)} ago"


def link(text: str | None) -> str | None:
    """Return a text as a link's target if it is an absolute http or https address, else None.

    Anything else, such as `javascript:` or `data:`, stays a text: what an event says is a stranger's word.
    """
    try:
        target = urlsplit(text or "")
        is_safe = target.scheme in {"http", "https"} and bool(target.hostname) and not target.username
    except ValueError:
        return None
    return text if is_safe and (text or "").isprintable() and " " not in (text or "") else None
