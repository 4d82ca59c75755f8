"""A worker stops rather than reject a whole topic (contract, section 7)."""

import pytest

from processor.breaker import Breaker
from processor.errors import Fatal


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_share_of_a_minute_counts() -> None:
    """What was committed longer ago does not, neither for the share nor for how many there are."""
    clock = Clock()
    breaker = Breaker(50, 100, clock)
    breaker.note(60, 60)
    clock.now = 60.0
    with pytest.raises(Fatal, match="100 of 100 records"):
        breaker.check(40, 40)
    clock.now = 60.1
    breaker.check(40, 40)


@pytest.mark.parametrize(
    ("records", "rejected", "is_over"),
    [(100, 51, True), (100, 50, False), (99, 99, False), (1000, 501, True), (1000, 500, False)],
)
def test_only_over_the_limit_and_of_enough_records(records: int, rejected: int, is_over: bool) -> None:  # noqa: FBT001  a parameter of the test
    breaker = Breaker(50, 100, Clock())
    if is_over:
        with pytest.raises(Fatal):
            breaker.check(records, rejected)
    else:
        breaker.check(records, rejected)
        breaker.note(records, rejected)


def test_a_batch_that_was_not_committed_does_not_count() -> None:
    """It is read again, and would count twice."""
    breaker = Breaker(50, 100, Clock())
    for _ in range(10):
        breaker.check(60, 60)
