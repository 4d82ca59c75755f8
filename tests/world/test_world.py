"""Worlds of some seeds hold every promise, and a seed is the same world each time.

In a process of their own: the clocks are replaced there before anything is loaded.
"""

import subprocess
import sys


def _simulate(*arguments: str) -> str:
    found = subprocess.run(
        [sys.executable, "-m", "tests.world", *arguments], capture_output=True, text=True, check=False, timeout=110
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_nothing_is_lost_or_doubled_in_a_simulated_world() -> None:
    """Five minutes of three workers each, and a fault every four seconds; then everything is committed."""
    assert _simulate("--seed", "1", "--worlds", "2").count("sound") == 2


def test_a_seed_is_one_world() -> None:
    """The same requests at the same instants."""
    first, again = (_simulate("--seed", "3", "--worlds", "1").splitlines()[0] for _ in range(2))
    assert first == again
