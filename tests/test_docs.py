"""README and docs/ are true: their tables are the code's, their commands exist, their links lead somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.rejections import Reason
from tests.docs import DRAWN, PAGES, ROOT, TABLES, places, written

TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())
SHELL = sorted(
    {line for block in re.findall(r"```sh\n(.*?)```", ALL, re.DOTALL) for line in block.splitlines() if line.strip()}
)
LINKS = sorted({(page, path) for page, text in TEXTS.items() for path in re.findall(r"\]\(([^)#:\s]+)[^):]*\)", text)})
TESTS = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("page", TEXTS)
def test_tables_are_the_codes(page: str) -> None:
    """Settings, commands, metrics and measurements are listed as the code has them; `make docs` writes them."""
    assert written(TEXTS[page]) == TEXTS[page]


def test_every_table_is_shown_once() -> None:
    assert sorted(name for text in TEXTS.values() for name in places(text)) == sorted(TABLES)


@pytest.mark.parametrize("file", DRAWN, ids=lambda file: str(file.name))
def test_generated_files_are_as_drawn(file: Path) -> None:
    """The picture, the alert rules, the dashboard and the description of the topics; `make docs` writes them."""
    assert file.read_text("utf-8") == DRAWN[file]()


def test_every_reason_is_named() -> None:
    assert [reason for reason in Reason if f"`{reason}`" not in ALL] == []


def test_tests_that_are_cited_exist() -> None:
    """A page that says which test proves a claim names one that is there."""
    cited = {name for text in TEXTS.values() for name in re.findall(r"`(test_\w+)`", text)}
    assert cited
    assert [name for name in sorted(cited) if f"def {name}(" not in TESTS] == []


def test_the_map_names_what_exists() -> None:
    """A name that docs/architecture.md gives after a file is defined there."""
    rows = re.findall(r"\]\(\.\./([\w./]+)\): `(\w+)`", TEXTS["docs/architecture.md"])
    assert len(rows) > 5
    defined = {(path, name): rf"^ *(?:class |def )?{name}\b" for path, name in rows}
    assert [at for at, line in defined.items() if not re.search(line, (ROOT / at[0]).read_text(), re.MULTILINE)] == []


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("make ")])
def test_make_targets_exist(line: str) -> None:
    target = shlex.split(line, comments=True)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    "line",
    [
        line
        for line in SHELL
        if re.search(r"\bdaymark [a-z]", line) and not line.startswith(("git ", "helm ", "kubectl "))
    ],
)
def test_daymark_commands_take_what_is_shown(line: str) -> None:
    """Each `daymark` line of a page is understood by the command line: with --help it prints help."""
    words = shlex.split(line.partition("daymark ")[2])
    said = subprocess.run(
        [sys.executable, "-m", "daymark", *words, "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert said.returncode == 0, said.stderr
    options = {word for word in words if word.startswith("--")}
    assert [option for option in options if option not in said.stdout] == []


@pytest.mark.parametrize(("page", "path"), LINKS)
def test_links_lead_somewhere(page: str, path: str) -> None:
    assert ((ROOT / page).parent / path).exists()


ANCHORED = sorted(
    {(page, *link) for page, text in TEXTS.items() for link in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", text)}
)


@pytest.mark.parametrize(("page", "path", "anchor"), ANCHORED)
def test_anchors_are_headings(page: str, path: str, anchor: str) -> None:
    target = (ROOT / page).parent / path if path else ROOT / page
    headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_no_address_of_a_registry_or_machine() -> None:
    """Nothing committed names a package registry's host or a path of somebody's machine."""
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    words = ("files." + "pythonhosted", "pypi." + "org", "repo1." + "maven", "registry." + "npmjs", "/wo" + "rk/")
    found = [(name, word) for name in files for word in words if word in _text(ROOT / name)]
    assert found == []


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""
