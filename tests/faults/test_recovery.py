"""Each kill is judged: how long its partitions stood still, and whether that was too long."""

import math

from tests.faults.recovery import Killed, judge


def _killed(at: float, *held: int) -> Killed:
    return Killed(at, dict.fromkeys(held, at))


def test_the_slowest_partition_counts() -> None:
    found = judge([_killed(10.0, 0, 1)], [[9.0, 11.0, 12.0], [9.5, 12.5]], 3)
    assert found.seconds == [2.5]
    assert (found.late, found.cut_short, found.empty) == ([], 0, 0)


def test_a_commit_that_was_on_its_way_is_no_recovery() -> None:
    """It shows a moment after the kill; nobody can have begun anew so soon."""
    assert judge([_killed(10.0, 0)], [[10.2, 13.0]], 3).seconds == [3.0]


def test_one_that_stands_still_for_too_long_is_late() -> None:
    """Also when it does to the end."""
    found = judge([_killed(10.0, 0, 1), _killed(20.0, 0)], [[15.0], [11.0]], 3)
    assert found.seconds == [5.0, math.inf]
    assert len(found.late) == 2
    assert "kill 1: " in found.late[0]
    assert "{0: 5.0}" in found.late[0]


def test_a_holder_that_is_killed_in_its_turn_is_judged_from_then() -> None:
    """Only when that was before the limit, and it held the partition."""
    twice = [_killed(10.0, 0), _killed(12.0, 0)]
    found = judge(twice, [[14.0]], 3)
    assert (found.seconds, found.late, found.cut_short) == ([2.0], [], 1)
    assert len(judge([_killed(10.0, 0), _killed(13.5, 0)], [[14.0]], 3).late) == 1
    assert len(judge([_killed(10.0, 0), _killed(12.0, 1)], [[14.0], [13.0]], 3).late) == 1


def test_who_held_nothing_is_counted_and_not_judged() -> None:
    found = judge([_killed(10.0)], [[14.0]], 3)
    assert (found.seconds, found.late, found.empty) == ([], [], 1)


def test_what_the_group_gives_to_the_dead_is_judged_from_their_kill() -> None:
    """At 16 the first one's session is over, and the group gives partition 0 to one that was killed at 13."""
    given = Killed(13.0, {0: 16.0})
    found = judge([_killed(10.0, 0), given], [[9.9, 20.5]], 8)
    assert (found.seconds, found.late, found.cut_short) == ([7.5], [], 1)
    assert len(judge([_killed(10.0, 0), given], [[9.9, 21.5]], 8).late) == 1


def test_what_is_given_to_the_dead_beyond_the_limit_is_no_excuse() -> None:
    """The group had given it to somebody who lived and did nothing."""
    assert len(judge([_killed(10.0, 0), Killed(13.0, {0: 18.5})], [[9.9, 20.0]], 8).late) == 1


def test_what_others_committed_before_the_dead_were_given_a_partition_is_no_recovery() -> None:
    """From 15 on it was to be the dead one's, and stood still."""
    assert judge([Killed(10.0, {0: 15.0})], [[11.0, 14.9, 17.0]], 8).seconds == [7.0]
