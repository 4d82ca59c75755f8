"""The life of an audience, hour by hour, and what Engage tells of it. Pure; it holds two bytes a person.

In the first hour every member is sent, with each of the identifiers that are synced. Then come deltas: some leave
and as many enter, and some of the other properties change. A re-sync sends all who are members at that time. `delivery`
decides what the calls look like, and in which order they arrive.

Invariants: the same plan has the same history; notices come in the order of their hours, and of one property no two
have the same timestamp, so the last notice of a property is its newest.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from daymark.simulation import computations, order, people
from daymark.simulation.computations import AUDIENCE, ENTERED, LEFT, OTHER

HOUR_MS = 3_600_000
RECEIPT_MS = 12_000  # less than this passes from a call to its receipt

# What happens in an hour stays clear of its end: identifiers follow each other by a millisecond.
_SPAN_MS = HOUR_MS - RECEIPT_MS - 1000

_CHANGES_EVERY = 50  # 2 % leave in an hour, as many enter, of as many another property changes
_OUTSIDE_EVERY = 4  # for so many members there is somebody who may enter

# Spread the people over an hour: primes, so that they meet nothing else's period.
_BY_PERSON, _BY_HOUR, _BY_PROPERTY = 2_654_435_761, 97_001, 1_000_003


@dataclass(frozen=True, slots=True)
class Life:
    """A life to simulate.

    Attributes:
        members: people in the audience at its first sync; later as many.
        start_ms: when the first sync begins, in epoch milliseconds.
        deltas: hours with changes.
        resyncs: hours in which all members are told of again.
        replays: how often a part of the history is sent once more.
        out_of_order: share of the calls that are held back until newer ones have gone.
        repeated: share of the calls that are sent again byte for byte.
        zone: where the days begin (None: UTC); the workspace's own.
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
        """Refuse what cannot be simulated.

        Raises:
            ValueError: a number out of its range, or a name that says nothing.
        """
        if self.members < 1 or min(self.deltas, self.resyncs, self.replays) < 0:
            raise ValueError("an audience has 1 member or more, and deltas, re-syncs and replays are 0 or more")
        if not (0 <= self.out_of_order <= 1 and 0 <= self.repeated <= 1):
            raise ValueError("shares lie between 0 and 1")
        computations.computations(self.audience)

    @property
    def hours(self) -> int:
        """How many hours it takes."""
        return 1 + self.deltas + self.resyncs

    @property
    def people(self) -> int:
        """How many people there are, in the audience or not."""
        return self.members + max(_changes(self.members), self.members // _OUTSIDE_EVERY)

    @property
    def resync_hours(self) -> frozenset[int]:
        """The hours of re-syncs, spread evenly; the first hour is 0, the one of the first sync."""
        apart = self.resyncs + 1
        return frozenset(1 + number + -(-self.deltas * (number + 1) // apart) for number in range(self.resyncs))


class Notice(NamedTuple):
    """What Engage tells of a property in one call.

    `which` is AUDIENCE or OTHER, `place` that of the identifier among the person's, `code` stands for the value.
    """

    hour: int
    person: int
    which: int
    place: int
    code: int


def history(life: Life) -> Iterator[Notice]:
    """Yield all that is told, hour by hour."""
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
    """Return when what is told of happened, in epoch milliseconds."""
    spread = notice.person * _BY_PERSON + notice.hour * _BY_HOUR + notice.which * _BY_PROPERTY + life.seed
    return life.start_ms + notice.hour * HOUR_MS + spread % _SPAN_MS + notice.place


def contact(notice: Notice) -> int | None:
    """Return the number of the address that a notice carries, None when it carries none."""
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
    """Return somebody who is a member, or is none, and has not moved in this hour."""
    while True:
        person = chance.randrange(len(is_member))
        if is_member[person] == members and person not in moved:
            return person


def _told(hour: int, person: int, which: int, code: int) -> Iterator[Notice]:
    """Yield a notice for each identifier. An exit is told to all of them, whatever is synced."""
    identity = people.identity(person)
    has_left = which == AUDIENCE and code == LEFT
    for place in identity.leaving if has_left else identity.entering:
        yield Notice(hour, person, which, place, code)


def _changes(members: int) -> int:
    return max(1, members // _CHANGES_EVERY)
