"""The contact-days whose interaction this worker has committed: their repeats need not ask Redis.

Only those. A contact-day that was merely found claimed may have its owner still ahead. Forgotten whenever the worker's
assignment changes, since only then can a group be reset and a winner come again; bounded by forgetting the oldest half.
"""

from collections import defaultdict
from collections.abc import Collection
from typing import Final

from processor.decide import ContactDay

MOST: Final = 400_000  # about 60 MB

_Days = defaultdict[tuple[str, int], set[str]]


class Committed:
    """Contacts, by workspace and day."""

    def __init__(self, most: int = MOST) -> None:
        self._half = most // 2
        self._assignment: object = None
        self._young: _Days = defaultdict(set)
        self._old: _Days = defaultdict(set)
        self._count = 0  # of the young

    def contacts(self, workspace: str, day: int) -> tuple[Collection[str], Collection[str]]:
        """Return those of a day, in two sets."""
        return self._young[workspace, day], self._old[workspace, day]

    def keep_for(self, assignment: object) -> None:
        """Forget everything unless the assignment is the one of before."""
        if assignment != self._assignment:
            self._assignment = assignment
            self._young, self._old, self._count = defaultdict(set), defaultdict(set), 0

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
