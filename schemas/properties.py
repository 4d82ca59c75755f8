"""User properties: what an identify says of its contact besides the visit (contract, sections 3 and 5).

Engage computes one property a call and names it in `context.personas`; its value stands in `traits`. A plain identify
may carry booleans that its workspace knows as audiences. `read` is the reference, `read_computed` the quick way to its
answer for what Engage sends.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import msgspec

from schemas.identify import Change, Value, is_text
from schemas.lookup import at, present, squash, tidy
from schemas.timestamps import Number

# What Segment calls a computation, and what contact.traits does.
KINDS: Final[Mapping[str, str]] = {"audience": "audience", "trait": "trait", "journey_step": "journey"}

_CLASS = (("context", "personas", "computation_class"),)
_KEY = (("context", "personas", "computation_key"),)
_NAME = (("context", "personas", "computation_name"),)
_TRAITS = (("traits",), ("context", "traits"))

_LONG, _LONG_DIGITS = 2**63, 19  # where Avro's long ends
_LARGE = 9e18  # near there doubles and longs part: only the reference tells them apart

# Of a plain name, JSON has one spelling: it can be searched for in an event's bytes.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._$:@ -]+", re.ASCII)


class _Traits(msgspec.Struct, gc=False):
    traits: dict[str, Any]


_decode = msgspec.json.Decoder(_Traits).decode


def read(event: dict[str, object], audiences: tuple[str, ...]) -> tuple[Change, ...]:
    """Return the properties that an event sets.

    Args:
        event: as wild's decoder gives it, numbers as `Number`.
        audiences: the boolean properties of plain identifies that are memberships in this workspace.
    """
    kind = next(filter(None, map(_kind, present(event, _CLASS))), None)
    if kind is None:
        return tuple(_memberships(event, audiences))
    name = _computation(event)
    if name is None:
        return ()
    return tuple(_change(tidy(name), _value(value), kind) for value in islice(at(event, ("traits", name)), 1))


def read_computed(body: bytes, kind: str | None, name: str | None) -> tuple[Change, ...] | None:
    """Return the property that Engage computed; None: `read` must tell.

    Args:
        body: an event's bytes, whose `traits` are an object in that very spelling.
        kind: its `context.personas.computation_class`, at its exact place.
        name: its `computation_key`, beside it.
    """
    known = KINDS.get(kind or "")
    if known is None or not is_text(name):
        return None
    try:
        value = _decode(body).traits.get(name, msgspec.UNSET)
    except msgspec.DecodeError:  # a number beyond msgspec's
        return None
    if value is None or isinstance(value, bool | str) or (isinstance(value, int | float) and abs(value) < _LARGE):
        return (_change(name, value, known),)
    return None


def are_absent(audiences: tuple[str, ...], body: bytes, squashed: bytes) -> bool:
    """Whether it is certain that an event's bytes name none of the audiences.

    Args:
        audiences: names of boolean properties.
        body: the event, without escapes of letters.
        squashed: the same with every spelling of a key brought to one.
    """
    if not audiences:
        return True
    names = _searchable(audiences)
    return names is not None and body.isascii() and not any(name in squashed for name in names)


@lru_cache(256)
def _searchable(audiences: tuple[str, ...]) -> tuple[bytes, ...] | None:
    if not all(_PLAIN_NAME.fullmatch(name) for name in audiences):
        return None
    return tuple(b'"%b"' % squash(name).encode() for name in audiences)


def _kind(value: object) -> str | None:
    return KINDS.get(value.lower()) if type(value) is str else None


def _computation(event: dict[str, object]) -> str | None:
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


def _change(name: str, value: Value, kind: str) -> Change:
    return Change(name, value, kind, None if kind == "trait" else _membership(value))


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
