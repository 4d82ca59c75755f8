"""What was measured: rows of figures, their spread, and how both are kept and shown. No I/O."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

NONE = "-"  # not measured


class Row(NamedTuple):
    """One measure of one contender, run by run.

    `part` is what was measured (`processor`, `ingest`), `contender` who (`worker`), `case` under which load
    (`30 % firsts`). `unit` is that of the values: `µs`, `events/s`, `MB`; `times` for a ratio to another contender of
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
        if written(self.least) == written(self.most):
            return written(self.median)
        return f"{written(self.median)} ({written(self.least)} to {written(self.most)})"


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


def lines(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the head and the lines of one part's table: contender and case, then a column a measure."""
    columns = list(dict.fromkeys((row.measure, row.unit) for row in rows))
    cells = {(row.case, row.contender, row.measure, row.unit): str(Spread.of(row.values)) for row in rows}
    names = list(dict.fromkeys((row.case, row.contender) for row in rows))
    head = ["", *(f"{measure}, {unit}" if unit else measure for measure, unit in columns)]
    table = [
        [
            ", ".join(filter(None, (contender, case))),
            *(cells.get((case, contender, *column), NONE) for column in columns),
        ]
        for case, contender in names
    ]
    return head, table


def shown(part: str, rows: Sequence[Row]) -> Table:
    """Return one part's table for a terminal."""
    head, table = lines(rows)
    drawn = Table(title=f"{part}: median (minimum to maximum)", title_justify="left")
    for name in head:
        drawn.add_column(name, justify="right" if name else "left")
    for line in table:
        drawn.add_row(*line)
    return drawn
