"""Which searches are made: the whole protocol under several budgets of faults, and each remedy taken out."""

from typing import Final, NamedTuple

from tests.protocol.store import Fences
from tests.protocol.world import Days, Left

# Three events of one contact-day; with the third in the other partition, as after partitions were added.
SPREAD: Final[Days] = ((0, 0), (0,))
# The same, but the third is of another contact-day: as keys are distributed.
APART: Final[Days] = ((0, 0), (1,))
# Two events of one contact-day, one in each partition: the least that a late claim can lose.
PAIR: Final[Days] = ((0,), (0,))


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

# What the store may lose while partitions move once.
LOSSES: Final = {name: Left(rebalances=1, **{name: 1}) for name in ("losses", "failovers", "flushes")}

# Fences against a claim that comes late, and under which losses a contact-day is lost in spite of them.
FENCES: Final = {
    Fences(): {"losses", "failovers", "flushes"},
    Fences(marked=True): {"losses", "failovers", "flushes"},
    Fences(marked=True, registered=True): {"failovers"},
    Fences(token=True): {"losses", "failovers", "flushes"},
    Fences(marked=True, registered=True, token=True): {"failovers"},
    Fences(connected=True): {"flushes"},
    Fences(connected=True, marked=True, registered=True): set[str](),
    Fences(settled=True): set[str](),
}
