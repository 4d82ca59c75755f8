"""README's generated tables: `make docs` writes them, tests/test_docs.py compares them."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from prometheus_client import REGISTRY

from daymark.cli import COMMANDS
from daymark.environment import PREFIX
from daymark.setting_table import TABLE
from ingest.metrics import TABLE as INGEST
from processor import metrics
from tests.bench import speed

README = Path(__file__).parent.parent / "README.md"


def written(text: str) -> str:
    """Return README's text with its tables as the code has them."""
    for name, table in TABLES.items():
        before, mark, rest = text.partition(f"<!-- table: {name} -->\n")
        assert mark, f"README has no place for the table {name}"
        text = before + mark + table() + "<!-- end -->" + rest.partition("<!-- end -->")[2]
    return text


def _commands() -> str:
    return _table(("command", "job"), ((f"`daymark {name}`", meaning) for name, meaning in COMMANDS.items()))


def _settings() -> str:
    rows = ((f"`{PREFIX}{row.name}`", _default(row.name, row.default), row.meaning) for row in TABLE)
    return _table(("variable", "default", "meaning"), rows)


def _default(name: str, default: str | None) -> str:
    if name == "SLOT":
        return "the host's name"
    return f"`{default}`" if default else ""


def _metrics() -> str:
    ours = [family for family in REGISTRY.collect() if family.name.startswith("daymark_")]
    assert metrics.EVENTS in REGISTRY._collector_to_names
    processor = [
        (family.name + "_total" * (family.type == "counter"), family.type, family.documentation) for family in ours
    ]
    both = [(row.name, row.kind, row.help) for row in INGEST] + sorted(processor)
    return _table(("metric", "kind", "meaning"), ((f"`{name}`", kind, meaning) for name, kind, meaning in both))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


TABLES: dict[str, Callable[[], str]] = {
    "commands": _commands,
    "settings": _settings,
    "metrics": _metrics,
    **speed.tables(_table),
}

if __name__ == "__main__":
    README.write_text(written(README.read_text()))
