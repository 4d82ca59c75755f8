"""What is sent, our own simulation's audience or a mix of its own maker's, and what must come of it.

A multiset of bytes is told by its size and the sum of its members' hashes (of this process): whatever is lost, doubled
or put in another's place shows, and ten million of them take no memory.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import NamedTuple

from daymark.simulation import people
from daymark.simulation.audience import Plan, events
from schemas.interaction import interaction_id
from tests.bench import mixed
from tests.bench.ground import WORKSPACE
from tests.bench.mixed import FIRST_DAY, FIRST_DAY_NUMBER, Drawn, Mix
from tests.flows import Road

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
    """Events that wait in a topic, and what must come of them; `contacts` has each as often as there are days.

    `refused` of them are rejected.
    """

    case: str
    road: Road
    partitions: int
    events: int
    bodies: Multiset
    contacts: Multiset
    interactions: Multiset
    refused: int


class Shape(NamedTuple):
    """An audience of our own simulation: events, their contacts and days, with a user property or without."""

    events: int
    contacts: int
    days: int = 1
    computed: bool = False


def send(case: str, road: Road, partitions: int, load: Shape | Mix) -> Work:
    """Put a load into a road's topic; everything is there when this returns."""
    count = total = refused = 0

    def bodies() -> Iterator[tuple[str | None, bytes]]:
        nonlocal count, total, refused
        for event in drawn(load):
            count += 1
            total += hash(event.body)
            refused += event.broken
            yield event.contact, event.body

    road.send(bodies(), WORKSPACE)
    assert count == load.events, (count, load)
    return Work(
        case,
        road,
        partitions,
        count,
        Multiset(count, total),
        Multiset.of(people.address(contact).encode() for contact in range(load.contacts) for _ in range(load.days)),
        Multiset.of(id_of(contact, day) for contact in range(load.contacts) for day in range(load.days)),
        refused,
    )


def drawn(load: Shape | Mix) -> Iterator[Drawn]:
    """Yield the events of a load, day after day.

    Within a day each contact comes as often as any other, in an order that chance makes. So over the days the share of
    firsts stays what it is, and what is measured late is no other work than what is measured early.
    """
    return mixed.calls(load) if isinstance(load, Mix) else (Drawn(*call) for call in calls(load))


def calls(shape: Shape) -> Iterator[tuple[str, bytes]]:
    """Yield (contact, body) of our own load; without a user property the bytes are as many and mean none."""
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
