"""How `make scale` measures how long a partition stood still."""

from collections import deque

import pytest

from tests.faults.scale import Step, stood


def test_the_longest_time_between_two_commits_counts() -> None:
    """From the last commit before the step to the end of what was watched; a partition that never moved stood still."""
    advances = [deque(times) for times in ([1.0, 2, 3, 4, 5, 6], [1, 4.5, 6], [2, 3], [], [9])]  # as Watch keeps them
    assert list(stood(advances, since=3.5, until=6.5)) == [1, 3.5, 3.5, 3.0, 3.0]


def test_the_percentile_is_of_partitions() -> None:
    assert Step(1, 12, [0.5] * 11 + [4.0]).p99_s == pytest.approx(3.615)
