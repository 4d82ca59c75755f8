"""What the benchmark sends: an audience's first sync, most of it repeats."""

from collections.abc import Iterator
from datetime import date

from daymark.simulation.audience import Plan, events


def first_share_events(count: int, contacts: int, *, computed: bool) -> Iterator[tuple[str, bytes]]:
    """Yield `count` audience identifies of `contacts` contacts on one day, as (contact, body).

    Args:
        count: of events.
        contacts: of which each is seen as often as any other.
        computed: whether they carry a user property, or bytes as many that mean none.
    """
    plan = Plan(contacts, date(2024, 5, 3), now_ms=1_800_000_000_000, repeat=count / contacts)
    for event in events(plan):
        body = event.body if computed else event.body.replace(b'"personas":{"comp', b'"location":{"comp')
        yield event.contact or "", body
