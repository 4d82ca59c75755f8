"""Rows of deliveries, and duplicates: events whose contact-day another event has won.

Only interactions and rejections are in the read model. A duplicate leaves no record, so it is found by comparing the
newest events of segment.events with the entries of their days.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from timeline.store import Store
from timeline.store.results import Delivery
from timeline.web.sources import Event

_REMEMBERED: Final = 5_000


class Row(NamedTuple):
    """A line of the deliveries; `cursor` is the store's, empty for a duplicate."""

    name: str
    outcome: str
    at_ms: int
    workspace: str | None
    contact: str | None
    email: str | None
    title: str
    message_id: str | None
    href: str
    place: str
    cursor: str = ""


def row_of(delivery: Delivery) -> Row:
    """Return the row of an interaction or a rejection."""
    is_accepted = delivery.outcome == "accepted"
    place = (delivery.source or "") if is_accepted else delivery.record
    return Row(
        name=f"{delivery.outcome}-{place.replace(':', '-')}",
        outcome=delivery.outcome,
        at_ms=delivery.at_ms,
        workspace=delivery.workspace,
        contact=delivery.contact,
        email=delivery.email,
        title=delivery.title if is_accepted else delivery.detail,
        message_id=delivery.message_id,
        href=f"/events/{place}" if is_accepted else f"/rejected/{place}",
        place=place,
        cursor=delivery.cursor,
    )


class Duplicates:
    """Finds duplicates among the newest events; remembers which it has told."""

    def __init__(self, there: Store, newest: Callable[[int], Sequence[Event]]) -> None:
        self._there, self._newest = there, newest
        self._told: OrderedDict[str, None] = OrderedDict()

    def newest(self, most: int) -> list[Row]:
        """Return the duplicates among so many of the newest events, the newest first.

        Raises:
            Unavailable: Kafka cannot be read.
            StoreDown: the read model cannot.
        """
        return [row for event in self._newest(most) if (row := self._row(event)) is not None]

    def fresh(self, most: int) -> list[Row]:
        """Return those of them that were not told before; one whose day has no entry yet is told later.

        Raises:
            Unavailable: Kafka cannot be read.
            StoreDown: the read model cannot.
        """
        events = [event for event in self._newest(most) if event.source not in self._told]
        rows = [row for event in events if (row := self._row(event)) is not None]
        self._told |= dict.fromkeys(row.place for row in rows)
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return rows

    def _row(self, event: Event) -> Row | None:
        entry = self._there.contacts.entry(event.interaction_id) if event.interaction_id else None
        if entry is None or entry.source == event.source:
            return None
        return Row(
            name=f"duplicate-{event.source.replace(':', '-')}",
            outcome="duplicate",
            at_ms=event.at_ms,
            workspace=event.workspace,
            contact=entry.contact,
            email=event.email,
            title=event.title,
            message_id=event.message_id,
            href=f"/events/{event.source}",
            place=event.source,
        )
