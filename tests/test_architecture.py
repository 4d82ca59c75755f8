"""How the house is built: who may import whom, who reads the environment, how long things are, how they are named.

Imports are import-linter's work, by the contracts in pyproject.toml; the rest is read from the sources.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TypeGuard

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
PACKAGES = ("daymark", "ingest", "processor", "schemas", "timeline")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCES}

MOST_LINES, MOST_LINES_OF_A_FUNCTION = 300, 45  # soft: a longer file is named here, with its reason
LONG_FILES: set[str] = set()

# Who reads the environment: the settings, and those who hand the whole of it to their children.
READERS_OF_THE_ENVIRONMENT = {"daymark/settings.py", "daymark/commands/up.py"}

EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
EVENT_NAME = re.compile(r"[a-z_]+\.[a-z_]+")
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
NEVER_LOGGED = {"body", "email", "event_bytes", "key", "payload", "raw", "record", "secret", "value", "write_key"}


def test_imports_keep_their_contracts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers, independence, and one place for each driver."""
    monkeypatch.chdir(ROOT)
    status = lint_imports(config_filenames=("pyproject.toml",), no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


def test_every_package_that_is_imported_is_declared() -> None:
    """What another package happens to bring along may be gone tomorrow."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    declared = {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in wanted}
    found = {
        name: {each.replace("_", "-").lower() for each in names} for name, names in packages_distributions().items()
    }
    imported = {name for tree in TREES.values() for name in _imported(tree)} - set(PACKAGES) - sys.stdlib_module_names
    assert {name for name in imported if declared.isdisjoint(found.get(name, {name}))} == set()


def test_structs_that_the_collector_does_not_track_hold_no_callbacks() -> None:
    """A callback refers to its object, which may refer to the struct: such a circle would never be freed."""
    holders = {
        node.name
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(word) == "gc=False" for word in node.keywords)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and re.search(r"Callable|Reply|Done", ast.unparse(field.annotation))
    }
    assert holders == {"Waiter"}  # in flight for a moment: librdkafka always calls back; nothing else refers to it


def test_the_environment_is_read_in_one_place() -> None:
    """Settings come from daymark/settings.py; whoever starts a child may hand it the whole environment."""
    readers = {file for file, tree in TREES.items() for node in ast.walk(tree) if _reads_environment(node)}
    assert readers == READERS_OF_THE_ENVIRONMENT


def test_the_clock_is_no_business_of_schemas() -> None:
    """What an event means is the same in ingest, in the processor and in a replay years later."""
    now = {"now", "today", "utcnow", "time", "time_ns"}
    clocks = [
        file
        for file, tree in TREES.items()
        if file.startswith("schemas/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in now
    ]
    assert clocks == []


def test_files_are_short() -> None:
    """A file is one sentence; a longer one is named above, and leaves the list when it is short again."""
    lengths = {file: len((ROOT / file).read_text("utf-8").splitlines()) for file in TREES}
    assert {file for file, length in lengths.items() if length > MOST_LINES} == LONG_FILES


def test_functions_are_short() -> None:
    """No function is longer than a screen."""
    lengths = {
        f"{file}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION} == {}


def test_names_say_something() -> None:
    """No module, class or function is named for being useful."""
    named = [(file, Path(file).stem) for file in TREES] + [
        (file, node.name)
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    empty = [(file, name) for file, name in named if EMPTY_NAMES & set(_words(name))]
    assert empty == []
    assert [(file, name) for file, name in named if re.match(r"_?(handle|process)_", name)] == []


def test_logs_are_static_and_hold_nothing_personal() -> None:
    """Event names are `noun.verb_past`, never put together; no payload, e-mail or key is among the fields."""
    calls = [(file, node) for file, tree in TREES.items() for node in ast.walk(tree) if _is_log_call(node)]
    assert calls
    assert [file for file, call in calls if not _is_static(call.args[0])] == []
    fields = {(file, keyword.arg) for file, call in calls for keyword in call.keywords}
    assert {(file, field) for file, field in fields if field in NEVER_LOGGED} == set()


def test_every_make_target_is_explained() -> None:
    """`make help` leaves none out; each is phony, or a file."""
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = {name for line in re.findall(r"^\.PHONY:(.*)$", text, re.MULTILINE) for name in line.split()}
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## \S.*\.$", text, re.MULTILINE))
    assert {"up", "test", "check", "help"} <= phony
    assert phony == explained


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _reads_environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    if isinstance(node, ast.Attribute):
        return node.attr in names and isinstance(node.value, ast.Name) and node.value.id == "os"
    return isinstance(node, ast.ImportFrom) and node.module == "os" and any(alias.name in names for alias in node.names)


def _is_log_call(node: ast.AST) -> TypeGuard[ast.Call]:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
        return False
    return isinstance(node.func.value, ast.Name) and node.func.value.id == "log"


def _is_static(name: ast.expr) -> bool:
    if isinstance(name, ast.Constant):
        return EVENT_NAME.fullmatch(str(name.value)) is not None
    return isinstance(name, ast.Name)  # written out by its caller


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z]?[a-z0-9]+", name.replace("_", " ")) if name != name.lower() else name.split("_")
