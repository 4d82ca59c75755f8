"""What the simulated Engage computes about a person: audience membership, and one more property.

A value is represented by a code, 1 to 255, so that one byte per property is enough. Invariant: for one person, the same
code always means the same value.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from daymark.simulation import payload

Value = None | bool | int | float | str

ENTERED, LEFT = 1, 2  # codes of audience membership
MOST_CODES = 255

AUDIENCE, OTHER = 0, 1  # a person's two properties
PROPERTIES = 2

_CATEGORIES = ("books", "Möbel", 'screens of 27"', "", None, "true")


class Computation(NamedTuple):
    """A computation of Engage: its key, Segment's computation_class, and (person, code) -> value."""

    key: str
    kind: str
    value: Callable[[int, int], Value]

    def membership(self, person: int, code: int) -> bool | None:
        """Return whether this value makes the person a member; None if the computation is not a membership."""
        return None if self.kind == "trait" else bool(self.value(person, code))


def computations(audience: str) -> Sequence[Computation]:
    """Return all computations, the audience's first.

    Raises:
        ValueError: the audience's name has no letter or digit.
    """
    return (
        Computation(payload.key(audience), "audience", lambda _, code: code == ENTERED),
        Computation("total_revenue_180_days", "trait", lambda person, code: person % 1000 + code * 12.5),
        Computation("orders_completed", "trait", lambda person, code: person * 1000 + code),
        Computation("favourite_category", "trait", lambda person, code: _CATEGORIES[(person + code) % 6]),
        Computation("j_o_welcome_series", "journey_step", lambda *_: "true"),  # as in Journeys v1; there is no exit
    )


def place(person: int, which: int) -> int:
    """Return the index of the computation of a person's property: `which` is AUDIENCE or OTHER."""
    return 0 if which == AUDIENCE else 1 + person // 16 % 4


def change(code: int) -> int:
    """Return the code of the next value; 0 stands for no value yet."""
    return code % MOST_CODES + 1
