"""The contact-days whose interaction this worker has committed: their repeats need not ask Redis.

Only those. A contact-day that was merely found claimed may have its owner still ahead. Forgotten whenever the worker's
assignment changes, since only then can a group be reset and a winner come again; bounded by forgetting the oldest half.
"""

from collections.abc import Iterable
from typing import Final

from processor.decide import ContactDay

MOST: Final = 400_000  # about 75 MB


class Committed:
    """A set of contact-days."""

    def __init__(self, most: int = MOST) -> None:
        self._half = most // 2
        self._young: set[ContactDay] = set()
        self._old: set[ContactDay] = set()
        self._assignment: object = None

    def __contains__(self, contact_day: object) -> bool:
        return contact_day in self._young or contact_day in self._old

    def keep_for(self, assignment: object) -> None:
        """Forget everything unless the assignment is the one of before."""
        if assignment != self._assignment:
            self._assignment = assignment
            self._young, self._old = set(), set()

    def add(self, contact_days: Iterable[ContactDay]) -> None:
        """Take note of contact-days whose interactions are committed."""
        self._young.update(contact_days)
        if len(self._young) > self._half:
            self._young, self._old = set(), self._young
