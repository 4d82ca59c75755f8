"""Which searches are made: the whole protocol under several budgets of faults, and each remedy taken out."""

from typing import Final, NamedTuple

from tests.protocol.world import Days, Left

# Three events of one contact-day; with the third in the other partition, as after partitions were added.
SPREAD: Final[Days] = ((0, 0), (0,))
# The same, but the third is of another contact-day: as keys are distributed.
APART: Final[Days] = ((0, 0), (1,))


class Case(NamedTuple):
    """The events and the faults of one search; `quick` ones take seconds."""

    days: Days
    left: Left
    quick: bool = True


SOUND: Final = (
    Case(SPREAD, Left(crashes=1, late=1)),
    Case(SPREAD, Left(crashes=1, rebalances=1), quick=False),
    Case(SPREAD, Left(rebalances=1, aborts=1)),
    Case(SPREAD, Left(late=1, aborts=1)),
    Case(SPREAD, Left(crashes=1, losses=1)),
    Case(APART, Left(rebalances=1, losses=1)),
    Case(SPREAD, Left(rebalances=1, late=1), quick=False),
    Case(SPREAD, Left(rebalances=2), quick=False),
    Case(APART, Left(crashes=1, rebalances=1, late=1), quick=False),
)

# What is known to be lost: docs/guarantee.md, "The limits".
LIMIT: Final = Case(SPREAD, Left(rebalances=1, losses=1))

# Without a remedy, the fewest faults that break a promise.
WITHOUT: Final = {
    "owned": Left(crashes=1),
    "members": Left(rebalances=1),
    "fenced": Left(crashes=1, rebalances=1),
    "renewed": Left(late=1, crashes=1),
    "together": Left(crashes=1),
    "stable": Left(rebalances=1),
    "sought": Left(aborts=1),
    "verified": Left(late=1, rebalances=1),
}
