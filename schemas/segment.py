"""Bytes as Segment and its SDKs send them -> `Identify` or `Rejection` (contract, section 3).

`read` is pure and total: the same bytes and receipt give the same answer in ingest, in the processor and in a replay.
The recommended format takes a fast path, a typed decode; everything else the tolerant one in `wild`. Where the fast
path answers at all, it gives the tolerant path's answer: tests/schemas/test_segment.py holds it to that.
"""

import re
from itertools import accumulate

import msgspec

from schemas import contact, properties, reasons, timestamps, wild
from schemas.identify import Change, Identify, is_text
from schemas.reasons import Rejection
from schemas.workspace import PLAIN, Workspace

__all__ = ["DEPTH_LIMIT", "EVENT_LIMIT_BYTES", "Identify", "Rejection", "read", "read_recommended"]

EVENT_LIMIT_BYTES = 32 * 1024  # Segment's own limit of an event

# Deeper than any event, shallower than any decoder's own limit, which depends on the caller's stack.
DEPTH_LIMIT = 128

_FUTURE_MS = 24 * 3_600_000

# A string whole; possessive, and content with no closing quote, so that the time is linear.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEPS))


class _Page(msgspec.Struct, gc=False):
    url: str | None = None


class _Traits(msgspec.Struct, gc=False):
    email: str


class _Personas(msgspec.Struct, gc=False):
    computation_class: str | None = None
    computation_key: str | None = None


class _Context(msgspec.Struct, gc=False):
    page: _Page | None = None
    personas: _Personas | None = None


class _Recommended(msgspec.Struct, gc=False):
    type: str
    timestamp: str
    traits: _Traits
    context: _Context | None = None
    page: _Page | None = None
    event: str | None = None
    messageId: str | None = None  # noqa: N815  Segment's spelling


_decode = msgspec.json.Decoder(_Recommended).decode

# Brings every spelling of a key (letter case, "_", "-", spaces) to one.
_LOWER, _SEPARATORS = bytes(range(256)).lower(), b"_- "


def read(
    body: bytes, received_at_ms: int, workspace: Workspace = PLAIN, *, type_required: bool = False
) -> Identify | Rejection:
    """Return the identify that an event is, or why it is none.

    Args:
        body: one event's bytes, anything at all.
        received_at_ms: when it was received, in epoch milliseconds; a timestamp over 24 h later is refused.
        workspace: whose event it is; its format says where fields are, its audiences which traits are memberships.
        type_required: whether an event without `type` is refused. Only /v1/identify lets it be left out.
    """
    if len(body) > EVENT_LIMIT_BYTES:
        return reasons.TOO_LARGE
    if _is_too_deep(body):
        return reasons.MALFORMED_JSON
    found = read_recommended(body, workspace) or wild.read(body, workspace, type_required=type_required)
    if isinstance(found, Identify) and found.timestamp_ms > received_at_ms + _FUTURE_MS:
        return reasons.TIMESTAMP_IN_FUTURE
    return found


def read_recommended(body: bytes, workspace: Workspace = PLAIN) -> Identify | None:
    """Return the identify that an event in the recommended format is; None: the tolerant path must tell.

    What is found at its first place, in its exact spelling and valid, needs no other look. That something is nowhere
    takes a proof, since the typed decode sees no other spelling: the key is not in the squashed bytes either.
    """
    if workspace.format is not None or not (body.isascii() or _is_utf8(body)):
        return None
    try:
        event = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    email = contact.normalise(event.traits.email)
    timestamp_ms = timestamps.parse(event.timestamp)
    if event.type != "identify" or email is None or timestamp_ms is None:
        return None
    if b"\\" in body and b"\\u" in body:  # the search for one byte is the quick one
        return None  # an escape could spell any key
    squashed = body.translate(_LOWER, _SEPARATORS)
    url, first = _url(event)
    if not first and squashed.count(b'"url"') != (0 if url is None else 1):
        return None
    name, message_id = event.event, event.messageId
    if (name is None and b'"event"' in squashed) or (message_id is None and b'"messageid"' in squashed):
        return None
    if any(text is not None and not is_text(text) for text in (name, message_id, url)):
        return None  # blank: another place may say more
    changes = _changes(event, body, squashed, workspace.audiences)
    return None if changes is None else Identify(email, timestamp_ms, url, name, message_id, changes)


def _changes(
    event: _Recommended, body: bytes, squashed: bytes, audiences: tuple[str, ...]
) -> tuple[Change, ...] | None:
    """Return the properties that an event sets; None: the tolerant path must tell."""
    personas = event.context.personas if event.context is not None else None
    if personas is not None:
        return properties.read_computed(body, personas.computation_class, personas.computation_key)
    absent = b'"personas"' not in squashed and properties.are_absent(audiences, body, squashed)
    return () if absent else None


def _url(event: _Recommended) -> tuple[str | None, bool]:
    """Return an event's url, and whether it stands at its first place."""
    if event.page is not None and event.page.url is not None:
        return event.page.url, True
    if event.context is not None and event.context.page is not None:
        return event.context.page.url, False
    return None, False


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_too_deep(body: bytes) -> bool:
    if body.count(b"{") + body.count(b"[") <= DEPTH_LIMIT:
        return False
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > DEPTH_LIMIT
