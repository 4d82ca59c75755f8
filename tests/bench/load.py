"""What is sent: audience identifies of 0.6 to 0.9 kB, and what must come of them.

A multiset of bytes is told by its size and the sum of its members' hashes (of this process): whatever is lost, doubled
or put in another's place shows, and ten million of them take no memory.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from daymark.simulation import people
from daymark.simulation.audience import Plan, events
from schemas.interaction import interaction_id
from tests.bench.ground import WORKSPACE
from tests.flows import Road

FIRST_DAY = date(2024, 5, 3)
FIRST_DAY_NUMBER = (FIRST_DAY - date(1970, 1, 1)).days
_NOW_MS = 1_800_000_000_000  # long after the days that are sent
# As many bytes, and no user property.
_COMPUTED, _OF_NO_MEANING = b'"personas":{"computation_class"', b'"location":{"computation_group"'


class Multiset(NamedTuple):
    """So many members, and the sum of their hashes."""

    members: int
    hashes: int

    @classmethod
    def of(cls, members: Iterable[bytes]) -> "Multiset":
        """Return the multiset of these."""
        count = total = 0
        for member in members:
            count += 1
            total += hash(member)
        return cls(count, total)


class Work(NamedTuple):
    """Events that wait in a topic, and what must come of them; `contacts` has each as often as there are days."""

    case: str
    road: Road
    partitions: int
    events: int
    bodies: Multiset
    contacts: Multiset
    interactions: Multiset


class Shape(NamedTuple):
    """An audience: how many events, of how many contacts, on how many days, with a user property or without."""

    events: int
    contacts: int
    days: int = 1
    computed: bool = False


def send(case: str, road: Road, partitions: int, shape: Shape) -> Work:
    """Put an audience into a road's topic; everything is there when this returns."""
    count = total = 0

    def bodies() -> Iterator[tuple[str, bytes]]:
        nonlocal count, total
        for contact, body in calls(shape):
            count += 1
            total += hash(body)
            yield contact, body

    road.send(bodies(), WORKSPACE)
    assert count == shape.events, (count, shape)
    return Work(
        case,
        road,
        partitions,
        count,
        Multiset(count, total),
        Multiset.of(people.address(contact).encode() for contact in range(shape.contacts) for _ in range(shape.days)),
        Multiset.of(id_of(contact, day) for contact in range(shape.contacts) for day in range(shape.days)),
    )


def calls(shape: Shape) -> Iterator[tuple[str, bytes]]:
    """Yield (contact, body), day after day; without a user property the bytes are as many and mean none.

    Within a day each contact comes as often as any other, in an order that chance makes. So over the days the share of
    firsts stays what it is, and what is measured late is no other work than what is measured early.
    """
    each, more = divmod(shape.events, shape.days)
    for day in range(shape.days):
        repeat = (each + (day < more)) / shape.contacts
        plan = Plan(shape.contacts, FIRST_DAY + timedelta(days=day), now_ms=_NOW_MS, repeat=repeat, seed=day)
        for event in events(plan):
            body = event.body if shape.computed else event.body.replace(_COMPUTED, _OF_NO_MEANING)
            yield event.contact or "", body


def id_of(contact: int, day: int = 0) -> bytes:
    """Return the interaction's id of a contact's day, counted from the first one sent."""
    return interaction_id(WORKSPACE, people.address(contact), FIRST_DAY_NUMBER + day).encode()
