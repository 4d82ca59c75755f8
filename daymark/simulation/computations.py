"""What the simulated Engage computes of a person: whether they are in the audience, and one property more.

A value is known by a code, 1 to 255, so that a byte a property is all that has to be kept. Invariant: the same code is
the same value of the same person.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from daymark.simulation import payload

Value = None | bool | int | float | str

ENTERED, LEFT = 1, 2  # codes of the audience
MOST_CODES = 255

AUDIENCE, OTHER = 0, 1  # a person's two properties
PROPERTIES = 2

_CATEGORIES = ("books", "Möbel", 'screens of 27"', "", None, "true")


class Computation(NamedTuple):
    """What Engage computes: its key, Segment's computation_class, and (person, code) -> value."""

    key: str
    kind: str
    value: Callable[[int, int], Value]

    def membership(self, person: int, code: int) -> bool | None:
        """Return whether the person is a member by this value; None where it is no membership."""
        return None if self.kind == "trait" else bool(self.value(person, code))


def computations(audience: str) -> Sequence[Computation]:
    """Return all computations, that of the audience first.

    Raises:
        ValueError: the audience's name has no letter or digit.
    """
    return (
        Computation(payload.key(audience), "audience", lambda _, code: code == ENTERED),
        Computation("total_revenue_180_days", "trait", lambda person, code: person % 1000 + code * 12.5),
        Computation("orders_completed", "trait", lambda person, code: person * 1000 + code),
        Computation("favourite_category", "trait", lambda person, code: _CATEGORIES[(person + code) % 6]),
        Computation("j_o_welcome_series", "journey_step", lambda *_: "true"),  # as Journeys v1 say it, and no exit
    )


def place(person: int, which: int) -> int:
    """Return where the computation of a person's property stands among all: `which` is AUDIENCE or OTHER."""
    return 0 if which == AUDIENCE else 1 + person // 16 % 4


def change(code: int) -> int:
    """Return the code of the value after this one; 0 is none yet."""
    return code % MOST_CODES + 1
