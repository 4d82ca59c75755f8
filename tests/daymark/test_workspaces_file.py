"""The workspaces file is read again when it changes, and a bad new one keeps the old."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from daymark import settings, worker_wiring
from daymark.settings import SettingsFaults
from daymark.workspaces_file import LOOK_EVERY_S, WorkspacesFile
from processor import metrics
from schemas import workspace
from schemas.workspace import Workspaces
from tests.flows import wait_until

LONG_AGO = (0, 0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def look(self, file: WorkspacesFile) -> None:
        """Let the time pass until the file is looked at again, and have it looked at."""
        self.now += 2 * LOOK_EVERY_S
        file.current()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "workspaces.toml"


def write(path: Path, text: str) -> None:
    """Replace a file as editors and `daymark keys` do, by one that was written long ago."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.utime(new, LONG_AGO)
    new.replace(path)


def test_reads_a_changed_file(path: Path, clock: Clock) -> None:
    """A change is seen at the next look, not before."""
    write(path, "[workspaces.a]\n")
    file = WorkspacesFile(path, clock)
    write(path, '[workspaces.b]\ntime_zone = "Europe/Berlin"\n')
    assert "a" in file.current()
    clock.now = 2 * LOOK_EVERY_S
    assert "b" in file.current()
    assert file.current().get("b").time_zone == "Europe/Berlin"


def test_a_change_is_seen_within_a_second() -> None:
    """A file that was just written is taken at the second look."""
    assert 2 * LOOK_EVERY_S < 1


def test_half_a_file_is_never_taken_for_the_whole(path: Path, clock: Clock) -> None:
    """A file that is written in place is taken when it has been still for a moment: an empty one has no keys."""
    write(path, "[workspaces.a]\n")
    file = WorkspacesFile(path, clock)
    for text in ("", "[workspaces.a]\n[workspaces.b]\n", "[workspaces.a]\n[workspaces.c]\n"):
        path.write_text(text)
        os.utime(path, times=(time.time() + 3600, time.time() + 3600 + len(text)))  # by the clock of another machine
        clock.look(file)
        assert list(file.current().by_name) == ["a"]
    clock.look(file)
    assert list(file.current().by_name) == ["a", "c"]


@pytest.mark.parametrize(
    "bad", ["[workspaces.", '[workspaces.b]\ntime_zone = "Mars"\n', "[workspaces.b.format]\nemail = 'a['\n", None]
)
def test_bad_new_file_keeps_the_old(path: Path, clock: Clock, bad: str | None) -> None:
    """A file that cannot be read, or is gone, is said once and changes nothing; mended, it is taken."""
    write(path, "[workspaces.a]\n")
    file = WorkspacesFile(path, clock)
    if bad is None:
        path.unlink()
    else:
        write(path, bad)
    with structlog.testing.capture_logs() as said:
        for _ in range(4):
            clock.look(file)
            assert "a" in file.current()
    assert [line["event"] for line in said] == ["workspaces.refused"]
    assert file.is_refused()
    write(path, "[workspaces.c]\n")
    clock.look(file)
    assert "c" in file.current()
    assert not file.is_refused()


def test_a_file_that_comes_back_as_it_was_is_good_again(path: Path, clock: Clock) -> None:
    """The same file, its time and place as before."""
    write(path, "[workspaces.a]\n")
    file = WorkspacesFile(path, clock)
    path.rename(path.with_suffix(".old"))
    clock.look(file)
    clock.look(file)
    assert file.is_refused()
    path.with_suffix(".old").rename(path)
    clock.look(file)
    assert not file.is_refused()


def test_who_asks_for_the_alert_looks_at_the_file(path: Path, clock: Clock) -> None:
    """Nobody need send an event for a bad file to be noticed."""
    write(path, "")
    file = WorkspacesFile(path, clock)
    write(path, "[")
    clock.now += 1
    assert file.is_refused()


def test_bad_first_file_is_a_fault(path: Path) -> None:
    """At the start all faults are reported at once."""
    write(path, '[workspaces.a]\ntime_zone = "Mars"\nkeys = ["x"]\n')
    with pytest.raises(SettingsFaults) as caught:
        WorkspacesFile(path)
    assert len(caught.value.faults) == 2


def test_several_threads_read_a_change_once(path: Path, clock: Clock) -> None:
    """The loop of a worker and its metrics may ask at the same time."""
    write(path, "[workspaces.a]\n")
    file = WorkspacesFile(path, clock)
    write(path, "[workspaces.b]\n")
    clock.now += 1
    with structlog.testing.capture_logs() as said:
        threads = [threading.Thread(target=file.current) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert [line["event"] for line in said] == ["workspaces.read"]
    assert "b" in file.current()


def test_a_large_file_is_read_elsewhere(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks while it is read gets the workspaces of before, at once; it is read once, and then in force."""
    write(path, "[workspaces.a]\n")
    file = WorkspacesFile(path, clock)
    go_on, readers = threading.Event(), list[int]()

    def slow(text: str, pause: Callable[[], None], _read_secret: None) -> Workspaces:
        readers.append(threading.get_ident())
        assert go_on.wait(60)
        return workspace.parse(text, pause)

    monkeypatch.setattr("daymark.workspaces_file.parse", slow)
    write(path, "".join(f"[workspaces.w{number}]\n" for number in range(5_000)))
    for _ in range(3):
        clock.look(file)
        assert list(file.current().by_name) == ["a"]
    assert not file.is_refused()
    go_on.set()
    wait_until(lambda: len(file.current().by_name) == 5_000, "the new file is in force", 10)
    assert len(readers) == 1
    assert readers[0] != threading.get_ident()


def test_a_large_file_with_a_fault_keeps_the_old(path: Path, clock: Clock) -> None:
    """And one that changes while it is read is read again."""
    write(path, "[workspaces.a]\n")
    file = WorkspacesFile(path, clock)
    large = "".join(f"[workspaces.w{number}]\n" for number in range(5_000))
    write(path, large + "keys = 5\n")
    clock.look(file)
    wait_until(file.is_refused, "the fault is found", 10)
    assert list(file.current().by_name) == ["a"]
    write(path, large)

    def read() -> bool:
        clock.look(file)
        return len(file.current().by_name) == 5_000

    wait_until(read, "the new file is in force", 10)
    assert not file.is_refused()


@pytest.fixture
def _alert_off() -> Iterator[None]:
    yield
    metrics.WORKSPACES_REFUSED.set_function(lambda: 0.0)


@pytest.mark.usefixtures("_alert_off")
def test_a_workers_metric_tells_of_a_bad_file(path: Path) -> None:
    """1 while the file is refused, whether records come or not, and back to 0."""
    write(path, "[workspaces.a]\n")
    current = worker_wiring._workspaces(settings.load({"DAYMARK_WORKSPACES": str(path)}))
    assert metrics.value(metrics.WORKSPACES_REFUSED) == 0
    write(path, "[")
    wait_until(lambda: metrics.value(metrics.WORKSPACES_REFUSED) == 1, "the alert is raised", 10)
    assert "a" in current()
    write(path, "[workspaces.b]\n")
    wait_until(lambda: metrics.value(metrics.WORKSPACES_REFUSED) == 0, "the alert is over", 10)
    assert "b" in current()


def test_a_worker_may_do_without_a_file() -> None:
    """Then every workspace has default settings."""
    assert not worker_wiring._workspaces(settings.load({}))().by_name


def test_the_published_key_is_warned_of(path: Path, clock: Clock) -> None:
    """That of the example, which docker-compose.yml mounts: at the start, and at each change that keeps it."""
    example = (Path(__file__).parents[2] / "schemas" / "workspaces.example.toml").read_text("utf-8")
    write(path, example)
    with structlog.testing.capture_logs() as said:
        file = WorkspacesFile(path, clock)
        for text in (f"{example}\n", "[workspaces.demo]\n"):
            write(path, text)
            clock.look(file)
    public, read = "workspaces.key_public", "workspaces.read"
    assert [line["event"] for line in said] == [public, read, public, read]


def test_secrets_in_files_are_read_where_signatures_are_checked(path: Path, clock: Clock) -> None:
    """A file is named from the workspaces file's folder; who checks no signature needs none of it."""
    write(path, "[workspaces.a]\nsecret_file = 'webhook'\n")
    assert WorkspacesFile(path, clock).current().get("a").secrets == ()
    with pytest.raises(SettingsFaults, match=r"workspaces\.a\.secret_file: webhook cannot be read: .*No such file"):
        WorkspacesFile(path, clock, with_secrets=True)
    (path.parent / "webhook").write_text("a-shared-secret\n")
    file = WorkspacesFile(path, clock, with_secrets=True)
    [secret] = file.current().get("a").secrets
    write(path, "[workspaces.a]\nsecret_file = 'webhook'\nkeys = []\n")
    (path.parent / "webhook").write_text("a-new-secret\n")
    clock.look(file)
    [new] = file.current().get("a").secrets
    assert secret.sign(b"") != new.sign(b"")
