"""What this worker committed recently, so that duplicates need no Redis call: contact-days, and properties' changes.

It holds committed winners only: a contact-day that was merely found claimed may have its owner still ahead in the log.
Cleared whenever the worker's assignment changes, since only then can a group be reset and a winner be replayed; bounded
by dropping the oldest half.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

from processor.decide import ContactDay
from processor.traits import Property

MOST: Final = 400_000  # contact-days; about 60 MB
MOST_PROPERTIES: Final = 150_000  # about 40 MB
UNKNOWN_MS: Final = -(1 << 63)

_NOBODY: Final = frozenset[str]()

_Days = defaultdict[tuple[str, int], set[str]]


class RecentWinners:
    """Contacts, by workspace and day; and instants, by property."""

    def __init__(self, most: int = MOST, most_properties: int = MOST_PROPERTIES) -> None:
        self._half, self._half_properties = most // 2, most_properties // 2
        self._assignment: object = None
        self._forget()

    def _forget(self) -> None:
        self._young: _Days = defaultdict(set)
        self._old: _Days = defaultdict(set)
        self._count = 0  # of the young
        self._newest: dict[Property, int] = {}
        self._newest_old: dict[Property, int] = {}

    def contacts(self, workspace: str, day: int) -> tuple[Collection[str], Collection[str]]:
        """Return those of a day, in two sets. To ask for a day keeps nothing of it: events name any that they like."""
        place = workspace, day
        return self._young.get(place, _NOBODY), self._old.get(place, _NOBODY)

    def keep_for(self, assignment: object) -> None:
        """Forget everything unless the assignment is unchanged."""
        if assignment != self._assignment:
            self._assignment = assignment
            self._forget()

    def newest_ms(self, of: Property) -> int:
        """Return the newest timestamp of a property's changes: what is older is stale. Before all of them: unknown."""
        found = self._newest.get(of)
        return self._newest_old.get(of, UNKNOWN_MS) if found is None else found

    def changed(self, newest_ms: Mapping[Property, int]) -> None:
        """Take note of properties' changes that are committed, by the newest timestamp of each."""
        self._newest.update(newest_ms)
        if len(self._newest) > self._half_properties:
            self._newest, self._newest_old = {}, self._newest

    def add(self, contact_days: Collection[ContactDay]) -> None:
        """Take note of contact-days whose interactions are committed, none of them noted before."""
        place, contacts = None, set[str]()
        for contact_day in contact_days:
            if place != (contact_day.workspace, contact_day.day):
                place = contact_day.workspace, contact_day.day
                contacts = self._young[place]
            contacts.add(contact_day.email)
        self._count += len(contact_days)
        if self._count > self._half:
            self._old, self._young, self._count = self._young, defaultdict(set), 0
