"""What was measured: rows of figures, their spread, and how both are kept and shown. No I/O."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table


class Row(NamedTuple):
    """One measure of one contender, run by run.

    `part` is what was measured (`processor`, `ingest`), `contender` who (`worker`), `case` under which load
    (`our own load`). `unit` is that of the values: `µs`, `events/s`, `MB`; `times` for a ratio to another contender of
    the same run.
    """

    part: str
    contender: str
    measure: str
    unit: str
    values: tuple[float, ...]
    case: str = ""


class Spread(NamedTuple):
    """The least, the middle and the most of a row's values."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of one value or more."""
        return cls(min(values), statistics.median(values), max(values))

    def __str__(self) -> str:
        if self.is_one:
            return written(self.median)
        return f"{written(self.median)} ({written(self.least)} to {written(self.most)})"

    @property
    def is_one(self) -> bool:
        """Whether its figures look the same."""
        return written(self.least) == written(self.most)


def written(figure: float) -> str:
    """Return a figure with two or three digits that count."""
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"


def ratios(part: str, case: str, runs: Mapping[str, Sequence[float]], to: str, measure: str) -> list[Row]:
    """Return rows of what each contender takes of what another took in the same run.

    Args:
        part: of the rows.
        case: of the rows.
        runs: figures of each contender, run by run.
        to: the contender that the others are compared with.
        measure: of the rows.
    """
    return [
        Row(part, name, measure, "times", tuple(own / other for own, other in zip(values, runs[to], strict=True)), case)
        for name, values in runs.items()
        if name != to
    ]


def packed(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return rows as JSON has them."""
    return [{**row._asdict(), "values": [float(f"{value:.6g}") for value in row.values]} for row in rows]


def unpacked(found: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return rows from JSON."""
    return [Row(**{**row, "values": tuple(row["values"])}) for row in found]


class Sheet(NamedTuple):
    """A table: its title, its columns, and a line a contender, or a case, with a spread or nothing a column."""

    title: str
    columns: list[str]
    lines: list[tuple[str, list[Spread | None]]]


def sheets(part: str, rows: Sequence[Row]) -> list[Sheet]:
    """Return a part's tables: one of each case that has contenders to compare, and one of all other cases."""
    contenders: dict[str, set[str]] = {}
    for row in rows:
        contenders.setdefault(row.case, set()).add(row.contender)
    compared = [case for case, names in contenders.items() if len(names) > 1]
    made = [
        _sheet(
            f"{part}, {case}" if case else part, [row for row in rows if row.case == case], lambda row: row.contender
        )
        for case in compared
    ]
    rest = [row for row in rows if row.case not in compared]
    if rest:
        one = len({row.contender for row in rest}) == 1 and not compared
        made.append(_sheet(part, rest, lambda row: row.case if one else f"{row.contender}, {row.case}"))
    return made


def _sheet(title: str, rows: Sequence[Row], name: Callable[[Row], str]) -> Sheet:
    columns = list(dict.fromkeys(_column(row) for row in rows))
    cells = {(name(row), _column(row)): Spread.of(row.values) for row in rows}
    names = list(dict.fromkeys(name(row) for row in rows))
    return Sheet(title, columns, [(line, [cells.get((line, column)) for column in columns]) for line in names])


def _column(row: Row) -> str:
    return f"{row.measure}, {row.unit}" if row.unit else row.measure


def drawn(title: str, head: Sequence[str], lines: Iterable[Sequence[str]]) -> Table:
    """Return a table of text for a terminal."""
    made = Table(title=title, title_justify="left")
    for number, column in enumerate(head):
        made.add_column(column, justify="right" if number else "left")
    for line in lines:
        made.add_row(*line)
    return made


def shown(sheet: Sheet) -> Table:
    """Return a table for a terminal."""
    drawn = Table(title=f"{sheet.title}: median, and minimum to maximum", title_justify="left", show_lines=False)
    drawn.add_column("", no_wrap=True)
    for column in sheet.columns:
        drawn.add_column(column, justify="right")
    for name, cells in sheet.lines:
        drawn.add_row(name, *("" if cell is None else _cell(cell) for cell in cells))
    return drawn


def _cell(spread: Spread) -> str:
    rest = "" if spread.is_one else f"\n[dim]{written(spread.least)} to {written(spread.most)}[/dim]"
    return written(spread.median) + rest
