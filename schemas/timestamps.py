"""Text or number -> instant -> day (contract, section 3).

An instant is whole milliseconds since 1970-01-01T00:00Z, a day whole days since 1970-01-01. Fractions are truncated,
never rounded: rounding can move the day. Nothing here knows what time it is.
"""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from functools import lru_cache
from zoneinfo import ZoneInfo

MILLISECONDS_A_DAY = 86_400_000

# Numbers below are seconds, the others milliseconds: 1000 years in seconds, as Segment's own reader has it.
_FIRST_MILLISECONDS = 31_557_600_000

# The years 1 to 9999, less a day on either side, so that the day exists in every time zone.
_EARLIEST_MS = (date(1, 1, 2).toordinal() - date(1970, 1, 1).toordinal()) * MILLISECONDS_A_DAY
_LATEST_MS = (date(9999, 12, 31).toordinal() - date(1970, 1, 1).toordinal()) * MILLISECONDS_A_DAY - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()

_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{0,9}))?)?(?:Z|([+-])(\d{2}):?(\d{2})?)?)?",
    re.ASCII | re.IGNORECASE,
)
# The form of nearly every event, "2020-05-31T17:55:47.263Z": an hour, which many of them share, then these two.
_MOST_HOURS = 4096
_SECONDS = {f"{second // 60:02}:{second % 60:02}.": second * 1000 for second in range(3600)}
_MILLISECONDS = {f"{millisecond:03}Z": millisecond for millisecond in range(1000)}
# After milliseconds: what is truncated, and the offset of a clock. Without a cache it costs as much as the whole.
_MORE_DIGITS_AND_OFFSET = re.compile(r"\d{0,6}([+-])([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DIGITS = re.compile(r"\d{1,20}", re.ASCII)

_ONE, _MILLISECOND = Decimal(1), Decimal("0.001")
_MOST_DIGITS = 20  # far beyond the year 9999 in milliseconds; keeps the work on a number small


class Number(str):
    """A JSON number kept as its text, so that no digit of it is rounded away."""

    __slots__ = ()


def parse(value: object) -> int | None:
    """Return the instant that a JSON value represents, in milliseconds, or None.

    Args:
        value: ISO 8601 text, digits, a `Number`, or a Python number. Anything else is not an instant.
    """
    if type(value) is str:
        try:
            second_ms = _HOURS[value[:14]] + _SECONDS[value[14:20]]
            rest_ms = _MILLISECONDS.get(value[20:])
            if rest_ms is not None:
                return second_ms + rest_ms
            return _in_range(second_ms + _MILLISECONDS[f"{value[20:23]}Z"] + _zone_ms(value[23:]))
        except KeyError:
            return _in_range(_from_number(value) if _DIGITS.fullmatch(value) else _from_iso(value))
    if isinstance(value, Number | int | float) and not isinstance(value, bool):
        return _in_range(_from_number(value))
    return None


def day(timestamp_ms: int, zone: ZoneInfo | None) -> int:
    """Return the calendar day of an instant in a time zone (None: UTC), in days since 1970-01-01."""
    if zone is None:
        return timestamp_ms // MILLISECONDS_A_DAY
    local = (_EPOCH + timedelta(milliseconds=timestamp_ms)).astimezone(zone)
    return local.toordinal() - _EPOCH_ORDINAL


class _Hours(dict[str, int]):
    """The instants at which hours, like "2020-05-31T17:", begin: many events share one."""

    def __missing__(self, text: str) -> int:
        instant = _in_range(_from_iso(f"{text}00:00Z"))
        if instant is None:
            raise KeyError(text)
        if len(self) >= _MOST_HOURS:
            self.clear()
        self[text] = instant
        return instant


@lru_cache(4096)
def _zone_ms(text: str) -> int:
    """Return what an offset adds, in milliseconds, given the text after milliseconds, like "662+05:30"."""
    match = _MORE_DIGITS_AND_OFFSET.fullmatch(text)
    if match is None:
        raise KeyError(text)
    minutes = int(match[2]) * 60 + int(match[3])
    return (minutes if match[1] == "-" else -minutes) * 60_000


def _in_range(instant: int | None) -> int | None:
    return instant if instant is not None and _EARLIEST_MS <= instant <= _LATEST_MS else None


def _from_number(value: str | float) -> int | None:
    try:
        number = Decimal(str(value))
    except (InvalidOperation, ValueError):  # ValueError: an int of more than 4300 digits has no text
        return None
    if not number.is_finite() or number.adjusted() > _MOST_DIGITS:
        return None
    if number < _FIRST_MILLISECONDS:
        return int(number.quantize(_MILLISECOND, ROUND_FLOOR).scaleb(3))
    return int(number.quantize(_ONE, ROUND_FLOOR))


def _from_iso(text: str) -> int | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day_, hour, minute, second, fraction, sign, zone_hour, zone_minute = match.groups("0")
    try:
        instant = datetime(
            int(year),
            int(month),
            int(day_),
            int(hour),
            int(minute),
            int(second),
            int(fraction[:3].ljust(3, "0")) * 1000,
            UTC,
        )
    except ValueError:
        return None
    offset = int(zone_hour) * 60 + int(zone_minute)
    if int(zone_hour) > 23 or int(zone_minute) > 59:  # noqa: PLR2004  a clock's bounds
        return None
    return (instant - _EPOCH) // timedelta(milliseconds=1) + (offset if sign == "-" else -offset) * 60_000


_HOURS = _Hours()
