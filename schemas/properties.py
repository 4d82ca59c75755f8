"""User properties that an identify carries in addition to the visit (contract, sections 3 and 5).

Engage computes one property per call and names it in `context.personas`; its value is in `traits`. A plain identify
may carry booleans that its workspace declares as audiences.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

from schemas.identify import Change, Value, is_text
from schemas.lookup import at, present, tidy
from schemas.timestamps import Number

# What Segment calls a computation, and what contact.traits does.
_JOURNEY: Final = "journey_step"  # a step that has no value in traits is an entry, as legacy Journeys send it
KINDS: Final[Mapping[str, str]] = {"audience": "audience", "trait": "trait", _JOURNEY: "journey"}

_NOWHERE: Final = object()

_CLASS = (("context", "personas", "computation_class"),)
_KEY = (("context", "personas", "computation_key"),)
_NAME = (("context", "personas", "computation_name"),)
_TRAITS = (("traits",), ("context", "traits"))

_LONG, _LONG_DIGITS = 2**63, 19  # where Avro's long ends
_LARGE = 9e18  # near there doubles and longs differ: only the reference distinguishes them


def read(event: dict[str, object], audiences: tuple[str, ...]) -> tuple[Change, ...]:
    """Return the properties that an event sets.

    Args:
        event: numbers as `Number`, as `tolerant` decodes them.
        audiences: the boolean properties of plain identifies that are memberships in this workspace.
    """
    computation = next(filter(None, map(_computation_class, present(event, _CLASS))), None)
    if computation is None:
        return tuple(_memberships(event, audiences))
    name = _name(event)
    if name is None:
        return ()
    value = next(at(event, ("traits", name)), True if computation == _JOURNEY else _NOWHERE)
    return () if value is _NOWHERE else (change(tidy(name), _value(value), computation),)


def simple_change(name: str, value: object, computation: str) -> Change | None:
    """Return the change to a value that any JSON decoder reads alike; None of every other."""
    if value is None or isinstance(value, bool | str) or (isinstance(value, int | float) and abs(value) < _LARGE):
        return change(name, value, computation)
    return None


def change(name: str, value: Value, computation: str) -> Change:
    """Return the change of a property to a value, by a computation of some class."""
    kind = KINDS[computation]
    return Change(name, value, kind, None if kind == "trait" else _membership(value))


def _computation_class(value: object) -> str | None:
    return value.lower() if type(value) is str and value.lower() in KINDS else None


def _name(event: dict[str, object]) -> str | None:
    key = next(filter(is_text, present(event, _KEY)), None)
    if key is not None:
        return key
    name = next(filter(is_text, present(event, _NAME)), "")
    return re.sub(r"[\W_]+", "_", name.lower()).strip("_") or None


def _memberships(event: dict[str, object], audiences: tuple[str, ...]) -> Iterator[Change]:
    for name in audiences:
        found = (value for place in _TRAITS for value in at(event, (*place, name)) if isinstance(value, bool))
        member = next(found, None)
        if member is not None:
            yield Change(name, member, "audience", member)


def _membership(value: Value) -> bool | None:
    if isinstance(value, bool):
        return value
    return True if value == "true" else None  # Journeys v1 sends text; no other text is membership


def _value(value: object) -> Value:
    if isinstance(value, Number):
        return _number(value)
    if value is None or isinstance(value, bool):
        return value
    return tidy(value if isinstance(value, str) else _text(value))


def _number(number: Number) -> int | float | str:
    digits = number.lstrip("-")
    if digits.isdigit():
        fits = len(digits) <= _LONG_DIGITS and -_LONG <= int(number) < _LONG
        return int(number) if fits else str(number)
    double = float(number)
    return double if math.isfinite(double) else str(number)


def _text(value: object) -> str:
    """Return a JSON value's text, its numbers digit for digit."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_text(of)}" for key, of in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
