"""What ingest must know about an event before accepting it: its contact, and that it is acceptable.

`admit` gives the same answer as `segment.read`, but reads no description, property or message id, so that an event
costs the same whatever else it contains. It answers by itself only where it can show that the event is accepted: an
exactly spelled field takes precedence, and a list of usual fields, or a search of the folded bytes as in `keys`, shows
what is absent in every spelling. `segment.read` decides the rest, and every refusal. tests/schemas/test_entry.py
compares both.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from schemas import contact, credentials, segment, timestamps, tolerant
from schemas.identify import Identify
from schemas.keys import folded
from schemas.rejections import Rejection
from schemas.segment import DEPTH_LIMIT, EVENT_LIMIT_BYTES, FUTURE_MS
from schemas.workspace import PLAIN, Workspace

Admitted = tuple[bytes, bytes]
"""The contact, which is the record's key, and the event's bytes as published."""


class _Traits(msgspec.Struct, gc=False):
    email: Any = UNSET


class _Context(msgspec.Struct, gc=False):
    traits: _Traits | None = None


# In the order of the alphabet, as Segment's servers write them: msgspec looks for the next name after the last.
_FIELDS: Final[dict[str, tuple[Any, Any]]] = {
    "context": (_Context | None, None),
    "email": (Any, UNSET),
    "originalTimestamp": (Any, UNSET),
    "timestamp": (Any, UNSET),
    "traits": (_Traits | None, None),
    "type": (Any, None),
}
_MORE: Final = (
    *("_metadata", "anonymousId", "channel", "event", "groupId", "integrations", "messageId", "page", "projectId"),
    *("receivedAt", "rudderId", "sentAt", "url", "userId", "version"),
)


def _decoder(more: Iterable[str], *, exhaustive: bool) -> Callable[[bytes], Any]:
    fields = {**_FIELDS, **dict.fromkeys(more, (msgspec.Raw, msgspec.Raw()))}
    members = sorted((name, *field) for name, field in fields.items())
    event = msgspec.defstruct("_Event", members, gc=False, forbid_unknown_fields=exhaustive)
    return msgspec.json.Decoder(event).decode


_decode = _decoder((), exhaustive=False)
_decode_usual = _decoder(_MORE, exhaustive=True)  # refuses others: they could be another spelling of the key
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_API_KEY: Final = credentials.KEY.encode()


def admit(
    body: bytes, received_at_ms: int, workspace: Workspace = PLAIN, *, type_required: bool = False
) -> Admitted | Rejection:
    """Return the event's contact and the bytes to publish, or why it is rejected.

    An API key among its top-level fields is not published: it is cut out, and the rest is read again.

    Args:
        body: one event's bytes, anything at all.
        received_at_ms: as for `segment.read`, and so the others.
        workspace: whose event it is.
        type_required: whether an event without `type` is refused.
    """
    key = known(body, received_at_ms + FUTURE_MS) if workspace.format is None else None
    return judge(body, received_at_ms, workspace, type_required=type_required) if key is None else (key, body)


def known(body: bytes, latest_ms: int) -> bytes | None:
    """Return the contact of an event of a workspace without a format that is taken as it is; None: ask `judge`.

    Args:
        body: as for `admit`.
        latest_ms: that its timestamp may be.
    """
    # To leave brackets out is twice as quick as to count them: it goes from one to the next, not from byte to byte.
    brackets = 2 * len(body) - len(body.replace(b"{", b"")) - len(body.replace(b"[", b""))
    if brackets > DEPTH_LIMIT or len(body) > EVENT_LIMIT_BYTES:
        return None
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into what it skips
        event = _decode_usual(body)
    except msgspec.ValidationError:
        event = _unusual(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if event is None or event.type != "identify":
        return None
    said, traits = event.timestamp, event.traits
    timestamp_ms = timestamps.parse(said) if type(said) is str else _original(event, body)
    if timestamp_ms is None or timestamp_ms > latest_ms:
        return None
    email = contact.normalise(traits.email) if traits is not None and type(traits.email) is str else None
    if email is None:
        email = _elsewhere(event, body)
    return None if email is None else email.encode()


def judge(body: bytes, received_at_ms: int, workspace: Workspace, *, type_required: bool) -> Admitted | Rejection:
    """Return what `admit` does, by the reader alone: of events that `known` says nothing of."""
    found = segment.read(body, received_at_ms, workspace, type_required=type_required)
    if isinstance(found, Identify) and found.bears_key:
        body = credentials.without_key(body)
        found = segment.read(body, received_at_ms, workspace, type_required=type_required)
    return (found.email.encode(), body) if isinstance(found, Identify) else found


def _unusual(body: bytes) -> Any:
    """Return the fields of an event that has others than the usual ones; None: an API key may be among them."""
    bare = folded(body)
    try:
        return _decode(body) if bare and _API_KEY not in bare else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _original(event: Any, body: bytes) -> int | None:
    """Return the instant that replaces a timestamp that is absent or null."""
    said, stand_in = event.timestamp, event.originalTimestamp
    if type(stand_in) is not str or not (said is UNSET or said is None):
        return None
    bare = folded(body)
    return timestamps.parse(stand_in) if bare and bare.count(b'"timestamp":') == (said is None) else None


def _elsewhere(event: Any, body: bytes) -> str | None:
    """Return the first address of the three places, under any spelling of its key; None: there is none."""
    traits, context = event.traits, event.context
    more = None if context is None else context.traits
    said = [each.email for each in (traits, more, event) if each is not None and each.email is not UNSET]
    bare = folded(body)
    if not bare:
        return None
    if bare.count(b'"email":') != len(said):
        return _spelled(body)
    for each in said:
        email = contact.normalise(each) if type(each) is str else None
        if email is not None:
            return email
    return None


def _spelled(body: bytes) -> str | None:
    """Return the address that the reader would, which is text: any decoder reads that alike."""
    try:
        found = tolerant.email(_decode_object(body))
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, str) else None
