"""An estimate for people, a table with its sources, and for programs, one line of JSON."""

import json
from collections.abc import Sequence

from rich.console import Group
from rich.table import Table

from daymark.sizing.estimate import Load, Need
from daymark.sizing.measured import Figure


def as_table(needs: Sequence[Need]) -> Group:
    """Return the estimate: what is needed, how it is computed, and which measurements that uses, by number."""
    sources = _sources(needs)
    table = Table(box=None, pad_edge=False)
    table.add_column("part", no_wrap=True)
    table.add_column("needed", justify="right", no_wrap=True)
    table.add_column("computed from", overflow="fold")
    for need in needs:
        marks = "".join(f" [{sources.index(figure) + 1}]" for figure in need.figures)
        table.add_row(need.name, need.text, _plain(need.formula + marks))
    return Group(table, "", _measured(sources))


def as_json(load: Load, needs: Sequence[Need]) -> str:
    """Return the estimate as one line: the load, and of each need its value, unit, formula and sources."""
    said = [
        {
            "name": need.name,
            "value": round(need.value),
            "unit": need.unit,
            "formula": need.formula,
            "figures": [
                {"meaning": figure.meaning, "value": figure.value, "unit": figure.unit, "source": figure.source}
                for figure in need.figures
            ],
        }
        for need in needs
    ]
    return json.dumps({"load": load._asdict(), "needs": said}, ensure_ascii=False)


def _sources(needs: Sequence[Need]) -> list[Figure]:
    return list(dict.fromkeys(figure for need in needs for figure in need.figures))


def _measured(sources: Sequence[Figure]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("measured", no_wrap=True)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("source", overflow="fold")
    for number, figure in enumerate(sources, 1):
        table.add_row(_plain(f"[{number}]"), figure.meaning, f"{figure.value:,g} {figure.unit}", figure.source)
    return table


def _plain(text: str) -> str:
    """Return text in which rich sees no markup."""
    return text.replace("[", r"\[")
