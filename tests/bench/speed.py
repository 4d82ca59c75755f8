"""The tables of docs/performance.md, from what the last published benchmark left."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from tests.bench import report, targets
from tests.bench.figures import Sheet, sheets
from tests.bench.options import PARTS

Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]


def tables(table: Table) -> dict[str, Callable[[], str]]:
    """Return for each part, and for the targets, the name of its place in docs/performance.md and what fills it.

    Args:
        table: writes a table in Markdown, given its head and its lines.
    """
    found = {f"speed of {part}": partial(_written, part, table) for part in PARTS}
    return {**found, "targets": partial(_targets, table)}


def _written(part: str, table: Table) -> str:
    found = report.read(report.PUBLISHED)
    rows = report.rows(found, part)
    if not rows:
        return f"Not measured yet: `make bench PART={part}`.\n"
    written = "\n".join(_sheet(sheet, table) for sheet in sheets(part, rows))
    return f"{written}\nMedian (minimum to maximum). {report.machine_line(found['parts'][part])}.\n"


def _targets(table: Table) -> str:
    made = targets.table(report.all_rows(report.read(report.PUBLISHED)))
    return table(*made) if made else "Not measured yet: `make bench BASE=<git ref>`.\n"


def _sheet(sheet: Sheet, table: Table) -> str:
    lines = ([name, *("" if cell is None else str(cell) for cell in cells)] for name, cells in sheet.lines)
    return table([sheet.title, *sheet.columns], lines)
