"""What ingest has to know of an event before it takes it: whose it is, and that nothing speaks against it.

`admit` says what `segment.read` says and no more: it looks for no description, no property and no message's id, so an
event costs the same whatever else it holds. It answers alone where it can show that the event is taken (an exact
`traits.email` that is valid comes first, whatever else there is); all else, and every refusal, is `segment.read`'s.
tests/schemas/test_entry.py holds the two together.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET

from schemas import contact, credentials, segment, timestamps
from schemas.identify import Identify
from schemas.keys import Keys
from schemas.reasons import Rejection
from schemas.segment import DEPTH_LIMIT, EVENT_LIMIT_BYTES, FUTURE_MS
from schemas.workspace import PLAIN, Workspace

Admitted = tuple[bytes, bytes]  # the contact, which is the record's key, and the event as it is published

# Fields in the order of the alphabet, as Segment's servers write them: msgspec looks for the next name after the last.


class _Traits(msgspec.Struct, gc=False):
    email: Any = UNSET


class _Context(msgspec.Struct, gc=False):
    traits: _Traits | None = None


class _Event(msgspec.Struct, gc=False):
    context: _Context | None = None
    email: Any = UNSET
    originalTimestamp: Any = UNSET  # noqa: N815  Segment's spelling
    timestamp: Any = UNSET
    traits: _Traits | None = None
    type: Any = UNSET


_decode = msgspec.json.Decoder(_Event).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_API_KEY: Final = b'"%s":' % credentials.KEY.encode()
_EMAIL, _TIMESTAMP = b'"email":', b'"timestamp":'


def admit(
    body: bytes, received_at_ms: int, workspace: Workspace = PLAIN, *, type_required: bool = False
) -> Admitted | Rejection:
    """Return whose event it is and what of it is published, or why it is refused.

    An API key among its own fields is no part of what is published: it is cut out, and the rest read anew.

    Args:
        body: one event's bytes, anything at all.
        received_at_ms: as for `segment.read`, and so the others.
        workspace: whose event it is.
        type_required: whether an event without `type` is refused.
    """
    if workspace.format is None and (email := _contact(body, received_at_ms + FUTURE_MS)) is not None:
        return email.encode(), body
    found = segment.read(body, received_at_ms, workspace, type_required=type_required)
    if isinstance(found, Identify) and found.bears_key:
        body = credentials.without_key(body)
        found = segment.read(body, received_at_ms, workspace, type_required=type_required)
    return (found.email.encode(), body) if isinstance(found, Identify) else found


def _contact(body: bytes, latest_ms: int) -> str | None:
    """Return whose event it is, if it is taken as it is; None: it has to be read."""
    if len(body) > EVENT_LIMIT_BYTES or body.count(b"{") + body.count(b"[") > DEPTH_LIMIT:
        return None
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into what it skips
        event = _decode(body)
    except _UNREADABLE:
        return None
    kind = event.type
    if kind != "identify" and not (type(kind) is str and kind.lower() == "identify"):
        return None
    keys = Keys(body)
    if keys.times(_API_KEY):
        return None
    timestamp_ms = _timestamp(event, keys)
    if timestamp_ms is None or timestamp_ms > latest_ms:
        return None
    traits = event.traits
    if traits is not None and type(traits.email) is str and (email := contact.normalise(traits.email)) is not None:
        return email
    return _elsewhere(event, keys)


def _timestamp(event: _Event, keys: Keys) -> int | None:
    said = event.timestamp
    if (said is UNSET or said is None) and keys.times(_TIMESTAMP) == (said is None):
        said = event.originalTimestamp
    return timestamps.parse(said) if type(said) is str else None


def _elsewhere(event: _Event, keys: Keys) -> str | None:
    """Return the first address of the three places, if there is no other spelling of their key."""
    said = [place for place in _places(event) if place is not UNSET]
    if keys.times(_EMAIL) != len(said):
        return None
    addresses = (contact.normalise(place) for place in said if type(place) is str)
    return next(filter(None, addresses), None)


def _places(event: _Event) -> Iterator[Any]:
    if event.traits is not None:
        yield event.traits.email
    if event.context is not None and event.context.traits is not None:
        yield event.context.traits.email
    yield event.email
