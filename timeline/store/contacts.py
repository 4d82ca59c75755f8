"""What is known of one contact, and who there is."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import date
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from schemas import lanes
from timeline.store import closeness
from timeline.store.results import Closeness, Contact, DayCount, Entry, Membership, Page, Property
from timeline.store.tables import contacts, interactions, moves, properties

_LAST: Final = "\U0010ffff"  # after every text that goes on from a prefix
_ENTRY: Final = select(
    interactions.c.interaction_id,
    interactions.c.contact_key,
    interactions.c.workspace,
    contacts.c.email,
    *(
        interactions.c[name]
        for name in (
            *("day", "at_ms", "description", "described_by", "url", "event", "message_id", "received_at_ms"),
            *("emitted_at_ms", "source_partition", "source_offset", "record_partition", "record_offset"),
        )
    ),
).join(contacts, contacts.c.contact_key == interactions.c.contact_key)


class Contacts:
    """Answers about contacts. Every answer may raise StoreDown."""

    def __init__(self, asking: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._asking = asking

    def search(self, prefix: str, limit: int = 20) -> list[Contact]:
        """Return the first contacts whose e-mail begins with a text, in the order of their e-mails."""
        prefix = prefix.strip().lower()
        last_day = (
            select(func.max(interactions.c.day))
            .where(interactions.c.contact_key == contacts.c.contact_key)
            .scalar_subquery()
        )
        asked = (
            select(contacts.c.contact_key, contacts.c.workspace, contacts.c.email, last_day)
            .where(contacts.c.email >= prefix, contacts.c.email < prefix + _LAST)
            .order_by(contacts.c.email, contacts.c.workspace)
            .limit(limit)
        )
        with self._asking() as connection:
            rows = connection.execute(asked).all()
        return [Contact(key, of, email, last_day=_day(day)) for key, of, email, day in rows]

    def key(self, email: str, workspace: str | None = None) -> str | None:
        """Return the key of the contact with an e-mail address; None: there is none, in this or in any workspace."""
        asked = select(contacts.c.contact_key).where(contacts.c.email == email)
        if workspace is not None:
            asked = asked.where(contacts.c.workspace == workspace)
        with self._asking() as connection:
            return connection.scalar(asked.order_by(contacts.c.workspace).limit(1))

    def get(self, key: str) -> Contact | None:
        """Return a contact, with how many interactions it has; None: there is none under this key."""
        days = interactions.c.day
        counted = select(func.count(), func.min(days), func.max(days)).where(interactions.c.contact_key == key)
        with self._asking() as connection:
            row = connection.execute(
                select(contacts.c.workspace, contacts.c.email).where(contacts.c.contact_key == key)
            ).one_or_none()
            if row is None:
                return None
            count, first, last = connection.execute(counted).one()
        return Contact(key, row.workspace, row.email, count, first, last)

    def timeline(self, key: str, before: date | None = None, limit: int = 60) -> Page:
        """Return a contact's interactions, the newest day first.

        Args:
            key: the contact's.
            before: only days before this one: that of the page before.
            limit: at most so many.
        """
        asked = _ENTRY.where(interactions.c.contact_key == key).order_by(interactions.c.day.desc()).limit(limit + 1)
        if before is not None:
            asked = asked.where(interactions.c.day < before)
        with self._asking() as connection:
            entries = [_entry(row) for row in connection.execute(asked)]
        return Page(tuple(entries[:limit]), entries[limit - 1].day if len(entries) > limit else None)

    def entry(self, interaction_id: str) -> Entry | None:
        """Return an interaction; None: there is none with this id."""
        with self._asking() as connection:
            row = connection.execute(_ENTRY.where(interactions.c.interaction_id == interaction_id)).one_or_none()
        return None if row is None else _entry(row)

    def of_day(self, key: str, day: date) -> Entry | None:
        """Return a contact's interaction of a day; None: there is none."""
        asked = _ENTRY.where(interactions.c.contact_key == key, interactions.c.day == day).limit(1)
        with self._asking() as connection:
            row = connection.execute(asked).one_or_none()
        return None if row is None else _entry(row)

    def calendar(self, key: str, until: date, months: int = 12) -> list[DayCount]:
        """Return the days with an interaction in some months up to a day, this included, the oldest first."""
        return [DayCount(day) for day in self._days(key, closeness.months_before(until, months), until)]

    def closeness(self, key: str, today: date) -> Closeness:
        """Return how close a contact is, seen from a day."""
        return closeness.of(self._days(key, closeness.year_before(today), today), today)

    def properties(self, key: str) -> list[Property]:
        """Return a contact's properties, by name."""
        asked = select(properties).where(properties.c.contact_key == key).order_by(properties.c.name)
        with self._asking() as connection:
            rows = connection.execute(asked).all()
        return [
            Property(
                row.name,
                row.kind,
                json.loads(row.value),
                row.membership,
                row.since_ms,
                row.changed_at_ms,
                row.message_id,
                lanes.place(row.source_partition, row.source_offset),
            )
            for row in rows
        ]

    def memberships(self, key: str) -> list[Membership]:
        """Return when a contact was in which audience or journey, by name, the oldest stretch of each first."""
        asked = (
            select(properties.c.name, properties.c.kind, moves.c.at_ms, moves.c.entered)
            .join(properties, properties.c.property_key == moves.c.property_key)
            .where(moves.c.contact_key == key)
            .order_by(properties.c.name, moves.c.at_ms)
        )
        with self._asking() as connection:
            rows = connection.execute(asked).all()
        found: list[Membership] = []
        for (name, kind), moved in groupby(rows, lambda row: (row.name, row.kind)):
            found += [Membership(name, kind, *stretch) for stretch in _stretches([*moved])]
        return found

    def _days(self, key: str, since: date, until: date) -> Sequence[date]:
        days = interactions.c.day
        asked = select(days).where(interactions.c.contact_key == key, days >= since, days <= until).order_by(days)
        with self._asking() as connection:
            return connection.scalars(asked).all()


def _stretches(moved: Sequence[Any]) -> list[tuple[int | None, int | None]]:
    """Return entries and exits in pairs; what is missing of a pair is None."""
    found: list[tuple[int | None, int | None]] = []
    entered: int | None = None
    for move in moved:
        if move.entered:
            entered = move.at_ms if entered is None else entered
        else:
            found.append((entered, move.at_ms))
            entered = None
    return found if entered is None else [*found, (entered, None)]


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    fields, places = row[:-4], row[-4:]
    return Entry(*(*fields, lanes.place(places[0], places[1]), f"{places[2]}:{places[3]}"))


def _day(found: Any) -> date | None:
    return date.fromisoformat(found) if isinstance(found, str) else found
