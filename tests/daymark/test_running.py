"""A running `daymark up` is found from its folder, from below it, and from anywhere when it is the only one."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from daymark import running, settings
from daymark.commands import status
from daymark.settings import SettingsFaults
from tests.daymark.ups import pretend

NOBODY = 1 << 22  # above the kernel's largest pid


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, with a cache of one's own and no setting."""
    for name in [name for name in os.environ if name.startswith("DAYMARK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")


def folders() -> list[Path]:
    return [up.folder for up in running.find(os.environ, Path.cwd())]


def test_the_nearest_one_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of this folder or one above it is meant, however many run elsewhere."""
    mine, other = (pretend(tmp_path / name / ".daymark", os.environ) for name in ("here", "other"))
    assert folders() == [mine.folder]
    monkeypatch.chdir("below")
    assert folders() == [mine.folder]
    monkeypatch.setenv("DAYMARK_DATA", str(other.folder))
    assert folders() == [other.folder]


def test_a_single_one_is_found_from_anywhere(tmp_path: Path) -> None:
    """All its settings are taken, those of the workspaces file and the claims' secret among them."""
    assert settings.from_environment().kafka == "localhost:9092"
    up = pretend(tmp_path / "elsewhere", os.environ)
    up.claim_key.write_text("0123456789abcdef\n")
    found = settings.from_environment()
    assert (found.kafka, found.redis, found.workspaces) == (up.at.kafka, up.at.redis, up.workspaces)
    assert (found.claim_key, found.backfill_lane) == (b"0123456789abcdef", False)
    running.describe(up._replace(lane=True), os.environ)
    assert settings.from_environment().backfill_lane


@pytest.mark.parametrize("name", ["KAFKA", "REDIS", "WORKSPACES_FILE"])
def test_two_systems_are_never_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whoever names a Kafka or a store of their own gets nothing of a `daymark up` that happens to run here."""
    pretend(tmp_path / "here" / ".daymark", os.environ).claim_key.write_text("0123456789abcdef\n")
    (tmp_path / "file").write_text("/nowhere.toml")
    texts = {"KAFKA": "mine:9092", "REDIS": "redis://mine:6379", "WORKSPACES_FILE": str(tmp_path / "file")}
    monkeypatch.setenv(f"DAYMARK_{name}", texts[name])
    found = settings.from_environment()
    assert "127.0.0.1" not in found.kafka + found.redis
    assert found.claim_key is None


def test_several_elsewhere_are_a_question(tmp_path: Path) -> None:
    """Nobody can know which is meant: the answer is the setting that says so."""
    both = [pretend(tmp_path / name, os.environ) for name in ("a", "b")]
    with pytest.raises(SettingsFaults, match="DAYMARK_DATA") as caught:
        settings.from_environment()
    assert all(str(up.folder) in str(caught.value) for up in both)
    running.forget(both[0].folder, os.environ)
    both[1].claim_key.write_text("0123456789abcdef\n")
    assert settings.from_environment().kafka == both[1].at.kafka


def test_the_dead_and_the_foreign_are_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one whose process is gone, nor a file that another user wrote, nor half a file."""
    pretend(tmp_path / "here" / ".daymark", os.environ, pid=NOBODY)
    assert folders() == []
    up = pretend(tmp_path / "other", os.environ)
    assert folders() == [up.folder]
    (up.folder / "up.json").write_text('{"kafka": ')
    assert folders() == []
    running.describe(up, os.environ)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert folders() == []


def test_a_cache_that_cannot_be_written_matters_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    up = pretend(tmp_path / "here" / ".daymark", os.environ)
    assert folders() == [up.folder]


def test_status_when_nothing_runs() -> None:
    result = CliRunner().invoke(status.command, ["--json"])
    assert (result.exit_code, json.loads(result.stdout)) == (3, [])
    assert "no running `daymark up`" in result.stderr


def test_status_of_what_is_not_well(tmp_path: Path) -> None:
    """Every part is a row that says that it does not answer; the key is nobody's to see. Exit status 3."""
    pretend(tmp_path / "here" / ".daymark", os.environ, key="secret-key")
    result = CliRunner().invoke(status.command, ["--json"])
    (found,) = json.loads(result.stdout)
    assert [(part["name"], part["ready"], part["pid"]) for part in found["parts"]] == [
        (name, False, None) for name in ("kafka", "valkey", "ingest")
    ]
    assert "secret-key" not in result.output
    assert result.exit_code == 3
    shown = CliRunner().invoke(status.command, [])
    assert "ended" in shown.stdout
    assert shown.exit_code == 3


def test_workers_are_held_while_somebody_lives_who_wants_it(tmp_path: Path) -> None:
    """A command that is gone, or a file that says nothing, holds nobody; a new `daymark up` begins without a hold."""
    up = pretend(tmp_path / "up", os.environ)
    assert not running.are_workers_held(up.folder)
    with running.workers_held(up):
        assert running.are_workers_held(up.folder)
    assert not running.are_workers_held(up.folder)
    hold = up.folder / "workers.hold"
    for text in (str(NOBODY), "nobody"):
        hold.write_text(text)
        assert not running.are_workers_held(up.folder)
    hold.write_text(str(os.getpid()))
    running.describe(up, os.environ)
    assert not running.are_workers_held(up.folder)
