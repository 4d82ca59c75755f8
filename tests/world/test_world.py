"""Worlds of some seeds hold every promise, breaks are found, and a seed is the same world each time.

In processes of their own: the clocks are replaced there before anything is loaded.
"""

import re
import subprocess
import sys

import pytest

_DEADLINE_S = 600  # of some seconds' work, on a machine that others use
pytestmark = pytest.mark.timeout(3 * _DEADLINE_S)


def _simulate(*arguments: str, status: int = 0) -> str:
    found = subprocess.run(
        [sys.executable, "-m", "tests.world", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=_DEADLINE_S,
    )
    assert found.returncode == status, found.stdout + found.stderr
    return found.stdout


def test_a_seed_is_one_world_in_which_nothing_is_lost_or_doubled() -> None:
    """Workers, a backfill, faults and replays; the second time by the same requests."""
    first, again = (_simulate("--seed", "18", "--worlds", "1").splitlines()[0] for _ in range(2))
    assert first.endswith("sound")
    assert first == again


@pytest.mark.parametrize(("broken", "said"), [("no-owner", "is lost"), ("no-collapse", "has two interactions")])
def test_a_break_is_found_and_told(broken: str, said: str) -> None:
    """Its schedule is shortened, and said so that it can be replayed."""
    told = _simulate("--break", broken, "--cpu", "60", "--seconds", "1e9", "--tries", "3", status=1)
    assert said in told
    assert re.search(r"Shortened to \d+ faults", told)
    assert "make world SEED=1 " in told
