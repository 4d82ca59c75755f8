"""The table of docs/failures.md names what there is: its tests, log lines and metrics exist."""

import ast
import re

import pytest

from tests.docs import ROOT

TEXT = (ROOT / "docs/failures.md").read_text("utf-8")
METRICS = (ROOT / "docs/operations.md").read_text("utf-8").partition("## Metrics")[2]
ROWS = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("| ")][2:]
SOURCES = [path for package in ("daymark", "ingest", "processor") for path in (ROOT / package).rglob("*.py")]


def test_every_fault_has_its_five_cells() -> None:
    """A fault without a test, or without a word on what is kept, is no posture."""
    assert len(ROWS) > 15
    assert [row for row in ROWS if len(row) != 5 or not all(row)] == []
    assert [row[0] for row in ROWS if not re.search("`test_", row[4])] == []


@pytest.mark.parametrize("name", sorted({name for row in ROWS for name in re.findall(r"`(test_\w+)`", row[4])}))
def test_its_tests_exist(name: str) -> None:
    tests = (ROOT / "tests").rglob("test_*.py")
    assert any(re.search(rf"^def {name}\(", path.read_text(), re.MULTILINE) for path in tests)


@pytest.mark.parametrize("name", sorted({name for row in ROWS for name in re.findall(r"`(daymark_\w+)`", row[2])}))
def test_its_metrics_exist(name: str) -> None:
    assert f"| `{name}` |" in METRICS


def test_its_log_lines_exist() -> None:
    """Each is a whole string in the sources: no name is put together from pieces."""
    named = {name for row in ROWS for name in re.findall(r"`([a-z]+\.[a-z_]+)`", row[2])}
    said = {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert len(named) > 12
    assert named - said == set()
