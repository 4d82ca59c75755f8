"""A point in time on the command line: a date, a timestamp, or a duration ago; and how times are shown."""

import re
import time
from datetime import UTC, datetime
from typing import Any, Final

import click

from schemas import timestamps

_AGO: Final = re.compile(r"-(\d+)([smhd])")
_UNIT_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MINUTE_S, _HOUR_S = 60, 3600


class Instant(click.ParamType[int]):
    """2026-11-24, 2026-11-24T12:00:00Z, or -2h (also s, m, d), as epoch milliseconds; UTC unless it says otherwise."""

    name = "instant"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """Return epoch milliseconds; click's usage error for anything else."""
        if isinstance(value, int):
            return value
        if ago := _AGO.fullmatch(value):
            return time.time_ns() // 1_000_000 - int(ago[1]) * _UNIT_MS[ago[2]]
        instant_ms = timestamps.parse(value)
        if instant_ms is None:
            self.fail(
                f"{value!r} is not a time; expected a form such as 2026-11-24, 2026-11-24T12:00:00Z or -2h.",
                parameter,
                context,
            )
        return instant_ms


def shown(epoch_ms: int) -> str:
    """Return an instant as people and programs read it: ISO 8601, in UTC, with milliseconds."""
    try:
        instant = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):  # no year that Python knows
        return f"{epoch_ms} ms"
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lasting(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:,.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:,.0f} min"
    return f"{seconds / _HOUR_S:,.1f} h"
