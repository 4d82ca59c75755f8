"""No two live workers of a host share a slot, and a dead one's is free at once."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import click
import pytest

from daymark import slots


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(slots, "_SHARED", tmp_path / "shared")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(slots, "_PATIENCE_S", 0.0)
    return tmp_path


def held(given: str | None = None, number: int | None = None, group: str = "g") -> AbstractContextManager[str]:
    return slots.held(given, number, lambda slot: f"{group} {slot}")


def test_the_first_free_slot_of_the_host_is_taken(folder: Path) -> None:
    """The first has the host's name, as it always had; what is given back is taken again, and nothing is left."""
    name = slots.host()
    with held() as first:
        with held() as second, held() as third:
            assert (first, second, third) == (name, f"{name}-1", f"{name}-2")
        with held() as again:
            assert again == f"{name}-1"
    assert [*folder.iterdir()] == []


def test_workers_of_one_command_are_numbered() -> None:
    """Also beside those of another; one that is started again finds its own free."""
    name = slots.host()
    with held(number=0) as zero, held(number=1) as one, held(number=0) as other:
        assert (zero, one, other) == (f"{name}-0", f"{name}-1", f"{name}-2")
    with held("given", number=3) as slot:
        assert slot == "given-3"


def test_a_given_slot_that_is_held_is_said() -> None:
    """With the process that has it, and the setting to give."""
    with held("mine"):
        with (
            pytest.raises(click.ClickException, match=rf"process {os.getpid()}\): give each worker a DAYMARK_SLOT"),
            held("mine"),
        ):
            pass
        with held("mine", group="another") as slot:
            assert slot == "mine"


def test_the_slot_of_a_killed_worker_is_free(folder: Path) -> None:
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]; from daymark import slots\n"
        "with slots.held('mine', None, lambda slot: f'g {slot}'): print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"held\n"
        with pytest.raises(click.ClickException), held("mine"):
            pass
        worker.send_signal(signal.SIGKILL)
        worker.wait(60)
    with held("mine") as slot:
        assert slot == "mine"


def test_a_lock_of_another_user_counts_as_taken(folder: Path) -> None:
    """A link that somebody has put there is not followed."""
    target = folder / "target"
    target.write_text("precious")
    (folder / slots._name(f"g {slots.host()}")).symlink_to(target)
    with held() as slot:
        assert slot == f"{slots.host()}-1"
    assert target.read_text() == "precious"


def test_without_a_folder_nothing_is_locked(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A read-only file system: Kafka's fencing is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "nowhere"))
    with held() as one, held() as other:
        assert one == other == slots.host()


def test_containers_may_share_a_folder(folder: Path) -> None:
    (folder / "shared").mkdir()
    with held() as slot:
        assert slot == slots.host()
        assert [*(folder / "shared").iterdir()] != []
