"""Children end with us, leftovers are found again, strangers are left alone."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daymark.local import ports, processes
from daymark.local.children import Child

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
PARENT = """
import sys, time
from pathlib import Path
from daymark.local.children import Child
child = Child.start([sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]), Path(sys.argv[2]))
time.sleep(600)
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP) as sleeping:
        yield sleeping
        sleeping.kill()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "not in 60 s"
        time.sleep(0.01)


def test_a_leftover_is_ended(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """The process that a pid file names is ended, and the file is gone."""
    file = tmp_path / "pid"
    processes.note(file, process.pid)
    # It is our child, so it stays a zombie until we wait for it: that counts as gone.
    assert processes.end_noted(file, 30)
    assert process.wait(30) == -15
    assert not file.exists()


def test_a_stubborn_leftover_is_killed(tmp_path: Path) -> None:
    """A leftover that does not heed SIGTERM is killed."""
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"deaf\n"
        processes.note(tmp_path / "pid", process.pid)
        assert processes.end_noted(tmp_path / "pid", 0.1)
        assert process.wait(30) == -9


def test_a_stranger_with_the_same_pid_is_left_alone(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """A pid that was given to another process since is not signalled."""
    file = tmp_path / "pid"
    file.write_text(f"{process.pid} long-ago/1\n")
    assert processes.noted(file) is None
    assert not processes.end_noted(file, 30)
    assert process.poll() is None
    assert not file.exists()


@pytest.mark.parametrize("text", ["", "nonsense", "12", "x y", "-1 None", "0 None"])
def test_a_broken_pid_file_names_nobody(text: str, tmp_path: Path) -> None:
    """Whatever is in the file, it never raises and never names the wrong one."""
    (tmp_path / "pid").write_text(text)
    assert processes.noted(tmp_path / "pid") is None
    assert not processes.end_noted(tmp_path / "pid", 30)


def test_both_ways_to_see_a_birth_agree_on_life(process: subprocess.Popen[bytes]) -> None:
    """`ps`, for systems without /proc, knows the living and the dead."""
    assert processes._ps_birth(process.pid) == processes._ps_birth(process.pid)
    assert processes._ps_birth(process.pid)
    process.kill()
    process.wait()
    assert processes._ps_birth(process.pid) is None
    assert processes.birth(process.pid) is None


def test_a_child_is_stopped_and_its_pid_file_removed(tmp_path: Path) -> None:
    """A child hears SIGTERM itself, not only the program that becomes it."""
    child = Child.start(SLEEP, tmp_path / "pid", tmp_path / "output")
    assert processes.noted(tmp_path / "pid") == child.process.pid
    assert child.stop(30) < 0
    assert not child.running
    assert not (tmp_path / "pid").exists()


def test_a_child_gets_its_arguments_and_environment(tmp_path: Path) -> None:
    """The program sees exactly what was given, and what it says is in the output file."""
    show = "import os, sys; print(sys.argv[1:], os.environ['NAME'])"
    command = [sys.executable, "-c", show, "a b", "*"]
    child = Child.start(command, tmp_path / "pid", tmp_path / "output", {"NAME": "x y"})
    assert child.wait(30) == 0
    assert (tmp_path / "output").read_text() == "['a b', '*'] x y\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends what is left")
def test_a_child_dies_with_its_killed_parent(tmp_path: Path) -> None:
    """After SIGKILL of the parent nothing of it is left."""
    file = tmp_path / "pid"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(file), str(tmp_path / "output")], env=environ) as parent:
        wait_until(lambda: processes.noted(file))
        wait_until(lambda: b"time.sleep" in Path(f"/proc/{processes.noted(file)}/cmdline").read_bytes())
        wait_until(lambda: b"leash" not in Path(f"/proc/{processes.noted(file)}/cmdline").read_bytes())
        parent.kill()
    wait_until(lambda: processes.noted(file) is None)


def test_a_port_that_another_process_chose_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as that process lives, even while nothing listens there: a killed server comes back to its port."""
    chooses = "from daymark.local import ports; print(ports.choose(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", chooses], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        monkeypatch.setattr(ports, "_RANGE", (port,))
        monkeypatch.setattr(ports, "_TRIES", 1)
        assert ports.is_free(port)
        with pytest.raises(OSError, match="no free port"):
            ports.choose()
        other.kill()
    assert ports.choose() == port


def test_a_taken_port_is_not_chosen() -> None:
    """The preferred port is taken when it is free, and another when it is not."""
    free = ports.choose()
    assert ports.choose(free) == free
    with closing(socket.create_server((ports.LOOPBACK, free))):
        assert not ports.is_free(free)
        assert ports.choose(free) != free
