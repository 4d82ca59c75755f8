"""README is true: its tables are the code's, its commands exist, its links lead somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.reasons import Reason
from tests.docs import README, written

TEXT = README.read_text()
ROOT = README.parent
SHELL = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines() if line]


def test_tables_are_the_codes() -> None:
    """Settings, commands and metrics are listed as the code has them; `make docs` writes them."""
    assert written(TEXT) == TEXT


def test_every_reason_is_named() -> None:
    assert [reason for reason in Reason if f"`{reason}`" not in TEXT] == []


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("make ")])
def test_make_targets_exist(line: str) -> None:
    target = shlex.split(line, comments=True)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    "line", [line for line in SHELL if re.search(r"\bdaymark [a-z]", line) and "clone" not in line]
)
def test_daymark_commands_take_what_is_shown(line: str) -> None:
    """Each `daymark` line of README is understood by the command line: with --help it prints help."""
    words = shlex.split(line.partition("daymark ")[2])
    said = subprocess.run(
        [sys.executable, "-m", "daymark", *words, "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert said.returncode == 0, said.stderr
    options = {word for word in words if word.startswith("--")}
    assert [option for option in options if option not in said.stdout] == []


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", TEXT))))
def test_links_lead_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


def test_no_address_of_a_registry_or_machine() -> None:
    """Nothing committed names a package registry's host or a path of somebody's machine."""
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    words = ("files." + "pythonhosted", "pypi." + "org", "repo1." + "maven", "registry." + "npmjs", "/wo" + "rk/")
    found = [(name, word) for name in files for word in words if word in _text(ROOT / name)]
    assert found == []


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""
