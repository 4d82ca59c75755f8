"""The generated tables of README and docs/: `make docs` writes them, tests/test_docs.py compares them."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from sqlalchemy import Column
from sqlalchemy.dialects import postgresql

from daymark.auditing.watch import Figures
from daymark.cli import COMMANDS
from daymark.commands import size
from daymark.environment import PREFIX
from daymark.setting_table import TABLE
from daymark.sizing import measured
from ingest.metrics import Metrics
from processor.metrics import REGISTRY as WORKER
from tests import alerts, asyncapi, dashboard, flow_picture
from tests.bench import sized, speed
from timeline.store import tables as timeline

ROOT = Path(__file__).parent.parent
FLOW = ROOT / "docs" / "flow.svg"
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
_PLACE = re.compile(r"(?<=<!-- table: )(.+?)( -->\n).*?(?=<!-- end -->)", re.DOTALL)


def places(text: str) -> list[str]:
    """Return the names of the tables that a page shows, in their order."""
    return [name for name, _ in _PLACE.findall(text)]


def written(text: str) -> str:
    """Return a page's text with its tables as the code has them."""
    return _PLACE.sub(lambda place: f"{place[1]}{place[2]}{TABLES[place[1]]()}", text)


def _commands() -> str:
    return _table(("command", "job"), ((f"`daymark {name}`", meaning) for name, meaning in COMMANDS.items()))


def _settings() -> str:
    rows = ((f"`{PREFIX}{row.name}`", _default(row.name, row.default), row.meaning) for row in TABLE)
    return _table(("variable", "default", "meaning"), rows)


def _default(name: str, default: str | None) -> str:
    if name == "SLOT":
        return "the host's name"
    return f"`{default}`" if default else ""


def _metrics(*registries: CollectorRegistry) -> str:
    families = {family.name: family for registry in registries for family in registry.collect()}
    ours = [family for name, family in sorted(families.items()) if name.startswith("daymark_")]
    rows = ((f"`{shown_name(family)}`", family.type, family.documentation) for family in ours)
    return _table(("metric", "kind", "meaning"), rows)


def shown_name(family: Metric) -> str:
    """Return a metric's name as Prometheus shows it: a counter's ends in _total."""
    return family.name + "_total" * (family.type == "counter")


def _timeline() -> str:
    tables = [
        f"### {name}\n\n{table.comment}\n\n"
        + _table(
            ("column", "type", "meaning"),
            ((f"`{each.name}`{' (key)' * each.primary_key}", _type(each), each.doc or "") for each in table.columns),
        )
        for name, table in sorted(timeline.TABLES.tables.items())
    ]
    return "\n".join(tables)


def _type(column: Column[Any]) -> str:
    kind = column.type.compile(postgresql.dialect()).partition(" COLLATE")[0].lower()  # type: ignore[no-untyped-call]
    return f"{kind} or null" if column.nullable and not column.primary_key else kind


def _size() -> str:
    words = ["--contacts", "50M", "--syncs-per-day", "8", "--peak", "200k/s"]
    said = CliRunner().invoke(size.command, words, env={"COLUMNS": "130"}).output
    lines = "\n".join(line.rstrip() for line in said.splitlines())
    return f"```\n$ daymark size {' '.join(words)}\n{lines}\n```\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


TABLES: dict[str, Callable[[], str]] = {
    "commands": _commands,
    "settings": _settings,
    "metrics": lambda: _metrics(Metrics().registry, WORKER),
    "audit metrics": lambda: _metrics(Figures().registry),
    "alerts": lambda: _table(("alert", "fires on", "what it means", "what to do"), alerts.rows()),
    "size": _size,
    "timeline": _timeline,
    **speed.tables(_table),
}

# Files that are generated whole.
DRAWN: dict[Path, Callable[[], str]] = {
    FLOW: flow_picture.drawn,
    alerts.FILE: alerts.drawn,
    dashboard.FILE: dashboard.drawn,
    asyncapi.FILE: asyncapi.drawn,
    measured.FILE: sized.drawn,
}

if __name__ == "__main__":
    for file, drawn in DRAWN.items():  # first: `daymark size` reads one of them
        file.write_text(drawn(), "utf-8")
    for page in PAGES:
        page.write_text(written(page.read_text("utf-8")), "utf-8")
