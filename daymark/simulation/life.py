"""The history of an audience, hour by hour, as Engage reports it. Pure; it takes two bytes per person.

In the first hour every member is sent, with each synced identifier. Then come deltas: some members leave, as many
people enter, and some of the other properties change. A re-sync sends all members of that time. `delivery` decides what
the calls look like, and in which order they arrive.

Invariants: a plan always has the same history; notices come hour by hour, and no two of one property have the same
timestamp, so the last notice of a property is its newest.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from daymark.simulation import computations, order, people
from daymark.simulation.computations import AUDIENCE, ENTERED, LEFT, OTHER

HOUR_MS = 3_600_000
RECEIPT_MS = 12_000  # the longest time from a call to its receipt

# Nothing happens at the very end of an hour: identifiers follow each other by a millisecond.
_SPAN_MS = HOUR_MS - RECEIPT_MS - 1000

_CHANGES_EVERY = 50  # in an hour 2 % leave, as many enter, and another property of as many changes
_OUTSIDE_EVERY = 4  # members for each person who is not one, and may enter

# Spread people over an hour: primes, so that no two periods coincide.
_BY_PERSON, _BY_HOUR, _BY_PROPERTY = 2_654_435_761, 97_001, 1_000_003


@dataclass(frozen=True, slots=True)
class Life:
    """A life to simulate.

    Attributes:
        members: people in the audience; their number stays the same.
        start_ms: start of the first sync, in epoch milliseconds.
        deltas: hours with changes.
        resyncs: hours in which all members are sent again.
        replays: how often part of the history is sent again.
        out_of_order: share of the calls held back until newer ones have been sent.
        repeated: share of the calls that are sent again byte for byte.
        zone: the workspace's time zone, in which days begin (None: UTC).
    """

    members: int
    start_ms: int
    deltas: int = 0
    resyncs: int = 0
    replays: int = 0
    out_of_order: float = 0.0
    repeated: float = 0.0
    seed: int = 1
    audience: str = "order_completed_last_30days"
    zone: ZoneInfo | None = None

    def __post_init__(self) -> None:
        """Reject an impossible plan.

        Raises:
            ValueError: a number out of range, or a name without a letter or digit.
        """
        if self.members < 1 or min(self.deltas, self.resyncs, self.replays) < 0:
            raise ValueError("an audience needs at least 1 member; deltas, re-syncs and replays must be 0 or more")
        if not (0 <= self.out_of_order <= 1 and 0 <= self.repeated <= 1):
            raise ValueError("shares must lie between 0 and 1")
        computations.computations(self.audience)

    @property
    def hours(self) -> int:
        """Its length in hours."""
        return 1 + self.deltas + self.resyncs

    @property
    def people(self) -> int:
        """The number of people, members or not."""
        return self.members + max(_changes(self.members), self.members // _OUTSIDE_EVERY)

    @property
    def resync_hours(self) -> frozenset[int]:
        """The hours of re-syncs, evenly spread; hour 0 is the first sync."""
        apart = self.resyncs + 1
        return frozenset(1 + number + -(-self.deltas * (number + 1) // apart) for number in range(self.resyncs))


class Notice(NamedTuple):
    """One property of one person, as Engage reports it in one call.

    `which` is AUDIENCE or OTHER, `place` the index of the identifier among the person's, `code` stands for the value.
    """

    hour: int
    person: int
    which: int
    place: int
    code: int


def history(life: Life) -> Iterator[Notice]:
    """Yield all notices, hour by hour."""
    chance = random.Random(f"life {life.seed}")  # noqa: S311  draws to be repeated, no secrets
    is_member, codes = bytearray(life.people), bytearray(life.people)
    resyncs = life.resync_hours
    yield from _first_sync(life, is_member, codes)
    for hour in range(1, life.hours):
        if hour in resyncs:
            yield from _resync(life, hour, is_member)
        else:
            yield from _delta(life, hour, is_member, codes, chance)


def timestamp_ms(life: Life, notice: Notice) -> int:
    """Return the timestamp of a notice, in epoch milliseconds."""
    spread = notice.person * _BY_PERSON + notice.hour * _BY_HOUR + notice.which * _BY_PROPERTY + life.seed
    return life.start_ms + notice.hour * HOUR_MS + spread % _SPAN_MS + notice.place


def contact(notice: Notice) -> int | None:
    """Return the number of the address that a notice carries; None if it carries none."""
    address = people.identity(notice.person).identifiers[notice.place].address
    return None if address is None else notice.person * people.ADDRESSES + address


def _first_sync(life: Life, is_member: bytearray, codes: bytearray) -> Iterator[Notice]:
    for person in order.shuffled(life.members, life.seed):
        is_member[person] = True
        codes[person] = computations.change(0)
        yield from _told(0, person, AUDIENCE, ENTERED)
        yield from _told(0, person, OTHER, codes[person])


def _resync(life: Life, hour: int, is_member: bytearray) -> Iterator[Notice]:
    for person in order.shuffled(life.people, life.seed + hour):
        if is_member[person]:
            yield from _told(hour, person, AUDIENCE, ENTERED)


def _delta(life: Life, hour: int, is_member: bytearray, codes: bytearray, chance: random.Random) -> Iterator[Notice]:
    moved: set[int] = set()
    for leaves in (True, False) * _changes(life.members):
        person = _any(is_member, moved, chance, members=leaves)
        moved.add(person)
        is_member[person] = not leaves
        yield from _told(hour, person, AUDIENCE, LEFT if leaves else ENTERED)
    changed = {chance.randrange(life.people) for _ in range(_changes(life.members))}
    for person in sorted(changed):
        codes[person] = computations.change(codes[person])
        yield from _told(hour, person, OTHER, codes[person])


def _any(is_member: bytearray, moved: set[int], chance: random.Random, *, members: bool) -> int:
    """Return a member, or a non-member, who has not changed in this hour."""
    while True:
        person = chance.randrange(len(is_member))
        if is_member[person] == members and person not in moved:
            return person


def _told(hour: int, person: int, which: int, code: int) -> Iterator[Notice]:
    """Yield a notice for each identifier. An exit is reported for all identifiers, synced or not."""
    identity = people.identity(person)
    has_left = which == AUDIENCE and code == LEFT
    for place in identity.leaving if has_left else identity.entering:
        yield Notice(hour, person, which, place, code)


def _changes(members: int) -> int:
    return max(1, members // _CHANGES_EVERY)
