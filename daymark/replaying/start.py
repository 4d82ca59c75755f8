"""Where a replay begins: the earliest event, an instant, or an offset of one partition, as command-line values."""

import re
from typing import Any, Final, NamedTuple

import click

from daymark.instant import Instant
from schemas import lanes

_PLACE: Final = re.compile(r"(backfill/)?(\d{1,5}):(\d{1,18})")


class Earliest(NamedTuple):
    """The oldest remaining event of every partition."""


class Since(NamedTuple):
    """The first event of every partition at or after an instant, in epoch milliseconds."""

    instant_ms: int


class Place(NamedTuple):
    """An offset of one partition, a number of `schemas.lanes`; the others are unchanged."""

    partition: int
    offset: int


Start = Earliest | Since | Place


class StartType(click.ParamType[Start]):
    """The word earliest, PARTITION:OFFSET or backfill/PARTITION:OFFSET, or an instant."""

    name = "start"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Start:
        """Return where to begin; click's usage error for anything else."""
        if not isinstance(value, str):
            start: Start = value
            return start
        if value == "earliest":
            return Earliest()
        if place := _PLACE.fullmatch(value):
            return Place(int(place[2]) + (lanes.BACKFILL if place[1] else 0), int(place[3]))
        return Since(Instant().convert(value, parameter, context))
