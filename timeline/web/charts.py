"""Pictures as SVG's numbers: lines, bars and a calendar. Templates draw them; colours are the style sheet's. Pure."""

import math
from collections.abc import Container, Iterable, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

_WEEK: Final = 7
CELL: Final = 14  # width of a day in the calendar, with its gap
_NAME: Final = 22  # width of a month's name
_LINES: Final = 4  # of a chart's scale, about


class Line(NamedTuple):
    """A line chart: `points` for a polyline, `area` for the polygon below it, the highest value."""

    points: str
    area: str
    most: float


def line(values: Sequence[float], width: float, height: float, most: float | None = None) -> Line:
    """Return values at equal distances as a line from left to right.

    Args:
        values: the oldest first; fewer than two are drawn as a level line.
        width: of the picture.
        height: of the picture.
        most: the value at the upper edge; None: the highest.
    """
    values = [*values] or [0.0]
    values = values * 2 if len(values) == 1 else values
    top = most or max(values) or 1.0
    step = width / (len(values) - 1)
    points = " ".join(
        f"{number * step:.1f},{height - 1 - min(value, top) / top * (height - 2):.1f}"
        for number, value in enumerate(values)
    )
    return Line(points, f"0,{height:g} {points} {width:g},{height:g}", max(values))


class Bar(NamedTuple):
    """One step of a chart of comings and goings: `x` and `width` in percent, the rest in pixels."""

    x: float
    width: float
    up: float
    down: float
    title: str


class Bars(NamedTuple):
    """A chart of comings, upwards from a line, and goings, downwards from it.

    Attributes:
        bars: a bar for each step.
        grid: where the numbers of the scale are, from the top, and the numbers.
        zero: where the line is, from the top.
    """

    bars: Sequence[Bar]
    grid: Sequence[tuple[float, int]]
    zero: float


def bars(steps: Sequence[tuple[str, int, int]], height: float) -> Bars:
    """Return steps (title, came, went) as bars on both sides of a line, on one scale of round numbers."""
    most_came = max((came for _, came, _ in steps), default=0)
    most_went = max((went for _, _, went in steps), default=0)
    step = _round((most_came + most_went) / _LINES)
    above, below = math.ceil(most_came / step), math.ceil(most_went / step)
    unit = height / max(1, above + below) / step
    zero, room = above * step * unit, 100 / max(1, len(steps))
    return Bars(
        [
            Bar(number * room, room * 0.75, _height(came * unit), _height(went * unit), title)
            for number, (title, came, went) in enumerate(steps)
        ],
        [(zero - number * step * unit, abs(number) * step) for number in range(-below, above + 1)],
        zero,
    )


def _round(least: float) -> int:
    """Return the first of 1, 2, 5, 10, 20, 50, … that is no less."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if digit * power >= least:
                return digit * power
        power *= 10


def _height(pixels: float) -> float:
    return max(2.0, pixels) if pixels else 0.0


class Cell(NamedTuple):
    """A day with an interaction in the calendar: where it is drawn."""

    day: date
    x: int
    y: int


class Calendar(NamedTuple):
    """Twelve months of days, a column a week.

    Attributes:
        cells: the days with an interaction.
        silent: the other days, as one path of squares that a stroke of 5 makes 11 wide, with round corners.
        months: their names, with where they begin.
        width: in all.
    """

    cells: Sequence[Cell]
    silent: str
    months: Sequence[tuple[int, str]]
    width: int


def calendar(days: Container[date], until: date, weeks: int = 53) -> Calendar:
    """Return the weeks up to a day, that day's included, Mondays at the top; `days` have an interaction."""
    first = until - timedelta(days=until.weekday(), weeks=weeks - 1)
    cells, silent = [], []
    months: list[tuple[int, str]] = []
    for number in range((until - first).days + 1):
        day = first + timedelta(days=number)
        x = number // _WEEK * CELL
        if day.day == 1 or not number:
            months.append((min(x, weeks * CELL - _NAME), f"{day:%b}"))
        y = number % _WEEK * CELL
        if day in days:
            cells.append(Cell(day, x, y))
        else:
            silent.append(f"M{x + 2.5} {y + 2.5}h6v6h-6z")
    if len(months) > 1 and months[1][0] - months[0][0] < 2 * CELL:
        months.pop(0)  # a month of which only the end is seen has no room for its name
    return Calendar(cells, "".join(silent), months, weeks * CELL)


class Span(NamedTuple):
    """A stretch of time in a strip, from 0 to 1000."""

    x: float
    width: float


def span(begin_ms: int | None, end_ms: int | None, first_ms: int, last_ms: int) -> Span | None:
    """Return where a stretch lies in a strip from `first_ms` to `last_ms`; None: outside; open ends reach the edge."""
    begin = max(first_ms, first_ms if begin_ms is None else begin_ms)
    end = min(last_ms, last_ms if end_ms is None else end_ms)
    if end < first_ms or begin > last_ms or end < begin:
        return None
    scale = 1000 / max(1, last_ms - first_ms)
    width = max(8.0, (end - begin) * scale)
    return Span(min((begin - first_ms) * scale, 1000 - width), width)


def total(values: Iterable[float]) -> float:
    """Return a sum, as templates need it."""
    return sum(values)
