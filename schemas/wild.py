"""Events as found in the wild: any casing, alternative places, odd timestamps (contract, section 3).

This is the reference: it says what every event means. Keys match in any letter case and without regard to "_", "-"
and spaces; the exact spelling comes first, then the others in the order of the document.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NoReturn

from schemas import contact, reasons, timestamps
from schemas.identify import Identify, is_text
from schemas.reasons import Rejection
from schemas.timestamps import Number

# Where each field may be, in order of preference.
EMAIL = (("traits", "email"), ("context", "traits", "email"), ("email",))
TIMESTAMP = (("timestamp",),)
URL = (("page", "url"), ("context", "page", "url"), ("url",))
EVENT = (("event",),)
MESSAGE_ID = (("messageId",),)
TYPE = (("type",),)

_USUAL_KEY = 40  # characters
_SEPARATORS = str.maketrans("", "", "_- ")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def read(body: bytes, *, type_required: bool) -> Identify | Rejection:
    """Return the identify that an event is, or why it is none; whether it lies in the future is the caller's to say."""
    try:
        event = _JSON.decode(body.decode())
    except (ValueError, RecursionError):
        return reasons.MALFORMED_JSON
    if not isinstance(event, dict):
        return reasons.NOT_AN_OBJECT
    if not _is_identify(event, type_required=type_required):
        return reasons.UNSUPPORTED_TYPE
    email = _email(event)
    if isinstance(email, Rejection):
        return email
    timestamp_ms = _timestamp(event)
    if isinstance(timestamp_ms, Rejection):
        return timestamp_ms
    return Identify(email, timestamp_ms, _text(event, URL), _text(event, EVENT), _text(event, MESSAGE_ID))


def squash(key: str) -> str:
    """Bring every spelling of a key to one."""
    return _squash_usual(key) if len(key) <= _USUAL_KEY else key.lower().translate(_SEPARATORS)


@lru_cache(4096)
def _squash_usual(key: str) -> str:
    # The same keys come again and again; long ones could fill the cache with what one sender likes.
    return key.lower().translate(_SEPARATORS)


def _is_identify(event: dict[str, object], *, type_required: bool) -> bool:
    kind = next(_present(event, TYPE), None)
    if kind is None:
        return not type_required
    return type(kind) is str and kind.lower() == "identify"


def _email(event: dict[str, object]) -> str | Rejection:
    refused = reasons.MISSING_EMAIL
    for value in _present(event, EMAIL):
        email = contact.normalise(value) if type(value) is str else None
        if email is not None:
            return email
        refused = reasons.INVALID_EMAIL
    return refused


def _timestamp(event: dict[str, object]) -> int | Rejection:
    refused = reasons.MISSING_TIMESTAMP
    for value in _present(event, TIMESTAMP):
        timestamp_ms = timestamps.parse(value)
        if timestamp_ms is not None:
            return timestamp_ms
        refused = reasons.INVALID_TIMESTAMP
    return refused


def _text(event: dict[str, object], places: tuple[tuple[str, ...], ...]) -> str | None:
    found = next((value for value in _present(event, places) if is_text(value)), None)
    return None if found is None else _LONE_SURROGATE.sub("\ufffd", found)


def _present(event: dict[str, object], places: tuple[tuple[str, ...], ...]) -> Iterator[object]:
    """Yield what stands at any of the places, the preferred one first; null is nothing."""
    for path in places:
        for value in _at(event, path):
            if value is not None:
                yield value


def _at(value: object, path: tuple[str, ...]) -> Iterator[object]:
    if not path:
        yield value
    elif isinstance(value, dict):
        for found in _spelled(value, path[0]):
            yield from _at(found, path[1:])


def _spelled(container: dict[str, object], key: str) -> Iterator[object]:
    if key in container:
        yield container[key]
    squashed = squash(key)
    for name, value in container.items():
        if name != key and squash(name) == squashed:
            yield value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# Numbers stay text: none is too large, and none loses a digit. NaN and Infinity are Python's, not JSON's.
_JSON = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse)
