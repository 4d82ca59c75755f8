"""The tolerant parser: events in any casing, with alternative field locations and odd timestamps (contract, section 3).

This is the reference: it defines what every event means. A workspace's format replaces the look-up of the fields that
it names.
"""

import json
from collections.abc import Iterator
from typing import NoReturn

from schemas import contact, properties, rejections, timestamps
from schemas.credentials import KEY
from schemas.format import Format
from schemas.identify import Description, Identify, is_text
from schemas.lookup import Path, present, squash, tidy
from schemas.rejections import Rejection
from schemas.timestamps import Number
from schemas.workspace import Workspace

# Where each field may be, in order of preference.
EMAIL = (("traits", "email"), ("context", "traits", "email"), ("email",))
TIMESTAMP = (("timestamp",),)
ORIGINAL_TIMESTAMP = (("originalTimestamp",),)  # counts only where there is no timestamp, not where it is invalid
URL = (("page", "url"), ("context", "page", "url"), ("url",))
EVENT = (("event",),)
MESSAGE_ID = (("messageId",),)
TYPE = (("type",),)


def read(body: bytes, workspace: Workspace, *, type_required: bool) -> Identify | Rejection:
    """Return the identify in an event, or why it is rejected; the caller checks whether it is in the future."""
    try:
        event = _JSON.decode(body.decode())
    except (ValueError, RecursionError):
        return rejections.MALFORMED_JSON
    if not isinstance(event, dict):
        return rejections.NOT_AN_OBJECT
    if not _is_identify(event, type_required=type_required):
        return rejections.UNSUPPORTED_TYPE
    fields = _Fields(event, workspace.format)
    email = _email(fields.values("email", EMAIL))
    if isinstance(email, Rejection):
        return email
    timestamp_ms = _timestamp(fields.values("timestamp", TIMESTAMP))
    if timestamp_ms is rejections.MISSING_TIMESTAMP:
        timestamp_ms = _timestamp(fields.values("timestamp", ORIGINAL_TIMESTAMP))
    if isinstance(timestamp_ms, Rejection):
        return timestamp_ms
    return Identify(
        email,
        timestamp_ms,
        _text(present(event, MESSAGE_ID)),
        properties.read(event, workspace.audiences),
        any(squash(name) == KEY for name in event),
        described(event, workspace),
    )


def describe(body: bytes, workspace: Workspace) -> Description:
    """Return what an event that `read` has taken says of the visit."""
    return described(_JSON.decode(body.decode()), workspace)


def described(event: dict[str, object], workspace: Workspace) -> Description:
    """Return what a decoded event says of the visit; numbers say nothing here, so any decoder's will do."""
    fields = _Fields(event, workspace.format)
    return Description(_text(fields.values("event", EVENT)), _text(fields.values("url", URL)))


def email(event: dict[str, object]) -> str | Rejection:
    """Return the contact of an event that any decoder decoded: a number, which some round, is no address."""
    return _email(present(event, EMAIL))


class _Fields:
    """The fields of an event, where its workspace's format or else the contract says that they are."""

    def __init__(self, event: dict[str, object], form: Format | None) -> None:
        self._event, self._format = event, form

    def values(self, field: str, places: tuple[Path, ...]) -> Iterator[object]:
        """Yield what may be a field's value, the preferred one first."""
        if self._format is None or not self._format.replaces(field):
            return present(self._event, places)
        found = self._format.find(field, self._event)
        return iter(() if found is None else (found,))


def _is_identify(event: dict[str, object], *, type_required: bool) -> bool:
    kind = next(present(event, TYPE), None)
    if kind is None:
        return not type_required
    return type(kind) is str and kind.lower() == "identify"


def _email(values: Iterator[object]) -> str | Rejection:
    refused = rejections.MISSING_EMAIL
    for value in values:
        email = contact.normalise(value) if type(value) is str else None
        if email is not None:
            return email
        refused = rejections.INVALID_EMAIL
    return refused


def _timestamp(values: Iterator[object]) -> int | Rejection:
    refused = rejections.MISSING_TIMESTAMP
    for value in values:
        timestamp_ms = timestamps.parse(value)
        if timestamp_ms is not None:
            return timestamp_ms
        refused = rejections.INVALID_TIMESTAMP
    return refused


def _text(values: Iterator[object]) -> str | None:
    found = next(filter(is_text, values), None)
    return None if found is None else tidy(found)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# Numbers stay text: none is too large, and none loses a digit. NaN and Infinity are Python's, not JSON's.
_JSON = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse)
