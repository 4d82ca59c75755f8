"""The clock that can be set: what a process reads, and when its waits end."""

import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import clock
from tests.faults.clock import Clock

pytestmark = pytest.mark.skipif(bool(clock.lacks()), reason=clock.lacks())

# Answers each line: by how much the wall clock has moved; or, once the clock reads so many seconds from its start, what
# a wait until then ends with.
_ASKED = """
import ctypes, sys, time
libc = ctypes.CDLL(None)
lead = lambda: time.time() - time.monotonic()
start, cond, mutex = lead(), ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
began = time.time()
for line in sys.stdin:
    if line == "lead\\n":
        print(round(lead() - start), flush=True)
    else:
        until = (ctypes.c_long * 2)(int(began) + int(line), 0)
        libc.pthread_mutex_lock(mutex)
        print(libc.pthread_cond_timedwait(cond, mutex, until), flush=True)
        libc.pthread_mutex_unlock(mutex)
"""
_ETIMEDOUT = "110"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clock.build(tmp_path_factory.mktemp("clock"))


@pytest.fixture
def own(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "own.clock")


@pytest.fixture
def asked(own: Clock, library: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", _ASKED],
        env=own.environ(library),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def _ask(process: subprocess.Popen[str], question: object) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{question}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_a_process_reads_its_own_clock(own: Clock, asked: subprocess.Popen[str]) -> None:
    """Forward, back and right again, while the monotonic clock goes on."""
    assert _ask(asked, "lead") == "0"
    assert own.wrong_reads() == 0
    for ahead in (86_400, -86_400, 90, 0):
        own.set(ahead)
        assert _ask(asked, "lead") == str(ahead)
    assert own.wrong_reads() == 3


def test_a_wait_ends_when_the_clock_then_reads_its_instant(own: Clock, asked: subprocess.Popen[str]) -> None:
    """Set forward, a wait is over; set back, it goes on until the clock is there again, as the kernel has it."""
    assert asked.stdin is not None
    assert asked.stdout is not None
    for before, until, after in ((0, 1000, 2000), (-2000, -1000, 0)):
        own.set(before)
        asked.stdin.write(f"{until}\n")
        asked.stdin.flush()
        assert not select.select([asked.stdout], [], [], 0.2)[0]
        own.set(after)
        assert asked.stdout.readline().strip() == _ETIMEDOUT
