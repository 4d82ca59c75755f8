"""The package works as it is built, without the checkout around it: as `uv tool install` or `pipx` would have it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with what is locked, unpack it, and return its folder."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True, capture_output=True)
    (wheel,) = folder.glob("daymark-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_files_that_are_not_code_are_in_it(installed: Path) -> None:
    """Schemas, examples, what `daymark up` needs, and the mark of a typed package."""
    data = {path for package in ("daymark", "ingest", "processor", "schemas") for path in (ROOT / package).rglob("*.*")}
    wanted = {path.relative_to(ROOT) for path in data if path.is_file() and path.suffix != ".pyc"}
    assert {path for path in wanted if not (installed / path).is_file()} == set()
    assert all(
        (installed / package / "py.typed").is_file() for package in ("daymark", "ingest", "processor", "schemas")
    )


def test_the_command_runs_from_it(installed: Path, tmp_path: Path) -> None:
    """Without the checkout: the version, every command's name, and the examples that come with the package."""
    workspaces = tmp_path / "workspaces.toml"
    workspaces.write_text("[workspaces.acme]\n")
    environ = {**os.environ, "PYTHONPATH": str(installed)}
    code = "import daymark, sys; from daymark.__main__ import main; print(daymark.__file__, file=sys.stderr); main()"
    for arguments, said in (
        (["--version"], "daymark "),
        (["--help"], "audit"),
        (["workspaces", "check", str(workspaces)], "acme"),
    ):
        ran = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, said in ran.stdout) == (0, True), ran.stderr
        assert ran.stderr.startswith(str(installed))
