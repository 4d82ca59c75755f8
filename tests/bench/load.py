"""What the benchmark sends: an audience's first sync, most of it repeats."""

from collections.abc import Iterator
from datetime import date

from daymark.simulation.audience import Plan, events


def first_share_events(count: int, contacts: int) -> Iterator[tuple[str, bytes]]:
    """Yield `count` audience identifies of `contacts` contacts on one day, as (contact, body)."""
    plan = Plan(contacts, date(2024, 5, 3), now_ms=1_800_000_000_000, repeat=count / contacts)
    for event in events(plan):
        yield event.contact or "", event.body
