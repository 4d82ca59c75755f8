"""The supervisor of `--workers N`, with workers that are scripts."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows import wait_until

_PARENT = """
import signal, sys, time
from pathlib import Path
from daymark.prefork import supervise

def run(number):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    said = Path(sys.argv[1], f"worker-{number}")
    lives = said.read_text().split() if said.exists() else []
    said.write_text(" ".join([*lives, "life"]))
    codes = [int(code) for code in sys.argv[2].split(",")] if number == 0 else []
    if len(lives) < len(codes):
        return codes[len(lives)]
    while True:
        time.sleep(0.1)

sys.exit(supervise(2, run))
"""


class Parent:
    """A supervisor of two workers."""

    def __init__(self, folder: Path, codes: str) -> None:
        self._folder = folder
        self.process = subprocess.Popen([sys.executable, "-c", _PARENT, str(folder), codes], stdout=subprocess.DEVNULL)

    def lives(self, number: int) -> int:
        said = self._folder / f"worker-{number}"
        return len(said.read_text().split()) if said.exists() else 0


@pytest.fixture
def codes() -> str:
    return "2"


@pytest.fixture
def parent(tmp_path: Path, codes: str) -> Iterator[Parent]:
    made = Parent(tmp_path, codes)
    yield made
    made.process.kill()
    made.process.wait()


def test_bad_settings_at_the_start_end_all(parent: Parent) -> None:
    """They would be bad at the next try, and for the other worker."""
    assert parent.process.wait(60) == 2


@pytest.mark.parametrize("codes", ["1,2"])
def test_bad_settings_later_leave_the_others_alone(parent: Parent) -> None:
    """A workspaces file that is invalid when a dead worker comes back: those that run have the one before."""
    wait_until(lambda: parent.lives(0) == 3, "the dead one has started again")
    assert parent.lives(1) == 1
    parent.process.send_signal(signal.SIGTERM)
    assert parent.process.wait(60) == 0
