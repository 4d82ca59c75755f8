"""`daymark up`, as a person runs it: one command, and what it prints works."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from daymark.local import ports, processes

pytestmark = pytest.mark.timeout(600)
DAYMARK = [sys.executable, "-m", "daymark"]
PIDS = ["ingest/pid", "kafka/node-1/pid", "timeline/pid", "valkey/pid", "worker-1/pid"]


class Up:
    """A `daymark up` in its own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_")}
        self.environ |= {f"DAYMARK_{name}": "127.0.0.1:0" for name in ("HTTP", "ADMIN", "TIMELINE_HTTP")}
        self.environ |= {"PYTHONPATH": os.pathsep.join(sys.path)}
        self.process: subprocess.Popen[str] | None = None

    def start(self, *options: str, **environ: str) -> subprocess.Popen[str]:
        with (self.folder / "errors").open("a") as errors:
            self.process = subprocess.Popen(
                [*DAYMARK, "up", *options],
                cwd=self.folder,
                env=self.environ | environ,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        return self.process

    def ready(self) -> dict[str, Any]:
        """Start with --json and return what the one line says."""
        process = self.start("--json")
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (self.folder / "errors").read_text()
        return dict(json.loads(line))

    def end(self) -> int:
        assert self.process is not None
        self.process.terminate()
        with self.process:
            return self.process.wait(120)

    def crash(self) -> None:
        assert self.process is not None
        self.process.kill()
        with self.process:
            self.process.wait(120)

    def pids(self) -> dict[str, int]:
        """The processes that its pid files name and that run."""
        named = {name: processes.noted(self.folder / ".daymark" / name) for name in PIDS}
        return {name: pid for name, pid in named.items() if pid is not None}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    one = Up(tmp_path)
    yield one
    if one.process is not None and one.process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            one.end()
        one.crash()
    elif one.process is not None and one.process.stdout is not None:
        one.process.stdout.close()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline, "not in 240 s"
        time.sleep(0.05)


def said(up: Up, words: str) -> bool:
    return words in (up.folder / "errors").read_text()


def send(up: Up, running: dict[str, Any], email: str) -> None:
    """Send an event until it is taken, as Segment does."""
    event = json.dumps({"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "traits": {"email": email}})
    curl = ["curl", "-sS", f"{running['http']}/v1/identify", "-u", f"{running['key']}:", "-d", event]
    wait_until(lambda: '"success":true' in up.run(*curl).stdout)


def emails(up: Up, running: dict[str, Any], count: int) -> list[str]:
    """Return the first contacts on the timeline, sorted: partitions come in any order."""
    tail = [*DAYMARK, "tail", "--json", "--from-beginning", "--topic", "interactions", "--timeout", "100"]
    shown = subprocess.run(
        [*tail, "--count", str(count)],
        env=up.environ | {"DAYMARK_KAFKA": running["kafka"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    return sorted(json.loads(line)["record"]["email"] for line in shown.stdout.splitlines())


def test_what_it_prints_works(up: Up) -> None:
    """The printed curl line makes an interaction that the printed tail command shows; SIGTERM ends all and exits 0."""
    process = up.start()
    assert process.stdout is not None
    printed: list[str] = []
    while not printed or not printed[-1].strip().startswith("curl "):
        printed.append(process.stdout.readline())
        assert printed[-1], (up.folder / "errors").read_text()
    tail = next(line.strip() for line in printed if line.strip().endswith(" tail"))
    assert '"success":true' in up.run("sh", "-c", printed[-1].strip() + " -sS").stdout
    shown = up.run(*shlex.split(tail), "--json", "--from-beginning", "--count", "1", "--timeout", "50")
    interaction = json.loads(shown.stdout)["record"]
    assert interaction["email"] == "peter@example.com"
    assert interaction["workspace"] == "demo"
    assert interaction["description"] == "https://example.com"
    pids = up.pids()
    assert sorted(pids) == PIDS
    assert up.end() == 0
    assert [pid for pid in pids.values() if processes.birth(pid)] == []
    assert not (up.folder / ".daymark" / "up.json").exists()


def test_it_says_in_one_line_how_it_is_reached(up: Up) -> None:
    """--json is one line as the contract has it, the same for other commands with the pid; its secrets are private.

    A second one on the same folder is refused in one line and exits 1, while the first runs on.
    """
    running = up.ready()
    assert list(running) == ["http", "admin", "kafka", "redis", "key", "workspace"]
    assert up.process is not None
    folder = up.folder / ".daymark"
    described = json.loads((folder / "up.json").read_text())
    assert described.pop("workers")
    assert described.pop("lane") is False
    assert described.pop("page").startswith("http://127.0.0.1:")
    assert described == {**running, "pid": up.process.pid}
    assert {(folder / name).stat().st_mode & 0o777 for name in ("key", "claim.key", "up.json")} == {0o600}
    assert (folder / ".gitignore").read_text() == "*\n"

    second = up.run(*DAYMARK, "up")
    assert second.returncode == 1
    assert "another `daymark up` is using" in second.stderr
    assert len(second.stderr.splitlines()) == 1

    assert sorted(up.pids()) == PIDS
    up.process.terminate()
    assert up.process.communicate(timeout=60)[0] == ""
    assert up.process.returncode == 0


def test_it_goes_on_after_being_killed(up: Up) -> None:
    """After SIGKILL the next start ends what was left and has the same key, the same records and the same claims."""
    first = up.ready()
    send(up, first, "a@example.com")
    assert emails(up, first, 1) == ["a@example.com"]
    left = up.pids()
    up.crash()
    second = up.ready()
    assert [pid for pid in left.values() if processes.birth(pid)] == []
    assert second["key"] == first["key"]
    send(up, second, "a@example.com")
    send(up, second, "b@example.com")
    assert emails(up, second, 2) == ["a@example.com", "b@example.com"]


def test_a_part_that_dies_is_started_again(up: Up) -> None:
    """Whichever part is killed, it is said, and afterwards events become interactions as before."""
    running = up.ready()
    for number, name in enumerate(PIDS, start=1):
        killed = up.pids()[name]
        os.kill(killed, signal.SIGKILL)
        part = name.split("/")[0]
        wait_until(partial(said, up, f"{part} has ended"))
        wait_until(partial(said, up, f"{part} is running again"))
        assert up.pids()[name] != killed
        send(up, running, f"{number}@example.com")
        assert len(emails(up, running, number)) == number


def test_a_replay_stops_its_workers_and_starts_them_again(up: Up) -> None:
    """`daymark replay` needs nobody's help here, and changes nothing in the end."""
    up.environ |= {"DAYMARK_MEMBERSHIP": "dynamic"}  # a static worker leaves its group only after 10 s
    running = up.ready()
    send(up, running, "peter@example.com")
    assert emails(up, running, 1) == ["peter@example.com"]
    worker = up.pids()["worker-1/pid"]
    wait_until(lambda: "1 events would be replayed" in up.run(*DAYMARK, "replay", "--from", "earliest").stdout)
    done = up.run(*DAYMARK, "replay", "--from", "earliest", "--execute")
    assert (done.returncode, "Stopping the workers" in done.stderr) == (0, True), done.stderr
    assert "Interactions emitted again" in done.stdout
    assert up.pids()["worker-1/pid"] != worker
    assert said(up, "worker-1 is running again")


def test_taken_ports_are_said_and_others_chosen(up: Up) -> None:
    """With its ports taken it listens elsewhere, and the line says where."""
    with socket.create_server((ports.LOOPBACK, 0)) as http, socket.create_server((ports.LOOPBACK, 0)) as admin:
        taken = http.getsockname()[1], admin.getsockname()[1]
        up.environ |= {"DAYMARK_HTTP": f"127.0.0.1:{taken[0]}", "DAYMARK_ADMIN": f"127.0.0.1:{taken[1]}"}
        running = up.ready()
        assert not running["http"].endswith(f":{taken[0]}")
        assert not running["admin"].endswith(f":{taken[1]}")
        assert said(up, f"Port {taken[0]} is taken")
        assert said(up, f"Port {taken[1]} is taken")
        send(up, running, "a@example.com")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_starts_leaves_nothing(up: Up, signum: int) -> None:
    """Ctrl-C, SIGTERM or a closed terminal in the middle of the start ends what was started, and exits 0."""
    process = up.start()
    wait_until(lambda: "kafka/node-1/pid" in up.pids())
    left = up.pids()
    process.send_signal(signum)
    assert process.wait(120) == 0
    assert [pid for pid in left.values() if processes.birth(pid)] == []


def test_wrong_settings_are_said_before_anything_starts(up: Up) -> None:
    """A wrong setting is exit 2 and a line about it."""
    up.environ["DAYMARK_HTTP"] = "nowhere"
    wrong = up.run(*DAYMARK, "up")
    assert wrong.returncode == 2
    assert "DAYMARK_HTTP" in wrong.stderr
    assert not (up.folder / ".daymark").exists()
