"""The workspaces file is read again when it changes, and a bad new one keeps the old."""

from pathlib import Path

import pytest
import structlog

from daymark.settings import SettingsFaults
from daymark.workspaces import WorkspacesFile


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def write(path: Path, text: str) -> None:
    """Replace a file as editors and `daymark keys` do."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def test_reads_a_changed_file(tmp_path: Path, clock: Clock) -> None:
    """A change is seen within a second, not before it is looked for."""
    path = tmp_path / "w.toml"
    write(path, "[workspaces.a]\n")
    file = WorkspacesFile(path, clock)
    write(path, '[workspaces.b]\ntime_zone = "Europe/Berlin"\n')
    assert "a" in file.current()
    clock.now = 1.0
    assert "b" in file.current()
    assert file.current().get("b").time_zone == "Europe/Berlin"


@pytest.mark.parametrize("bad", ["[workspaces.", '[workspaces.b]\ntime_zone = "Mars"\n', None])
def test_bad_new_file_keeps_the_old(tmp_path: Path, clock: Clock, bad: str | None) -> None:
    """A file that cannot be read, or is gone, is said once and changes nothing; mended, it is taken."""
    path = tmp_path / "w.toml"
    write(path, "[workspaces.a]\n")
    file = WorkspacesFile(path, clock)
    if bad is None:
        path.unlink()
    else:
        write(path, bad)
    with structlog.testing.capture_logs() as said:
        for clock.now in (1.0, 2.0, 3.0):
            assert "a" in file.current()
    assert [line["event"] for line in said] == ["workspaces.refused"]
    write(path, "[workspaces.c]\n")
    clock.now = 4.0
    assert "c" in file.current()


def test_bad_first_file_is_a_fault(tmp_path: Path) -> None:
    """At the start every fault is told at once."""
    path = tmp_path / "w.toml"
    write(path, '[workspaces.a]\ntime_zone = "Mars"\nkeys = ["x"]\n')
    with pytest.raises(SettingsFaults) as caught:
        WorkspacesFile(path)
    assert len(caught.value.faults) == 2
