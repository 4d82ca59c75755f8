"""Events as most senders send them, read quickly: the fast path of `segment`.

Where it answers, it gives the tolerant path's answer: tests/schemas/test_fast_path.py holds it to that. An event that
has a field which is not listed here, or one of another type than here, is left to `lenient`: it might be another
spelling of a field that counts. So what is at its place is the first there is, and what is not there is nowhere.
"""

from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import msgspec

from schemas import contact, properties, reasons, timestamps
from schemas.identify import Change, Description, Identify, is_text
from schemas.lookup import present
from schemas.reasons import Rejection
from schemas.workspace import Workspace

_Text = str | None
_NOTHING: Final = msgspec.Raw()


class _Any(msgspec.Struct, gc=False):
    """An object of whatever is in it."""


# Fields in the order of the alphabet, as Segment's servers write them: msgspec looks for the next name after the last.


class _Page(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    path: _Text = None
    referrer: _Text = None
    search: _Text = None
    title: _Text = None
    url: _Text = None


class _Personas(msgspec.Struct, gc=False):
    computation_class: _Text = None
    computation_key: _Text = None


# Fields that say nothing to us, but are usual (Segment's common fields, and what its SDKs and Engage add).
_OBJECTS = (
    "app",
    "campaign",
    "consent",
    "device",
    "integrations",
    "library",
    "location",
    "network",
    "os",
    "screen",
    "userAgentData",
)
_TEXTS = ("groupId", "ip", "locale", "timezone", "userAgent")

_Context = msgspec.defstruct(
    "_Context",
    sorted(
        [
            ("active", bool | None, None),
            ("externalIds", list[_Any] | None, None),
            ("page", _Page | None, None),
            ("personas", _Personas | None, None),
            ("traits", msgspec.Raw, _NOTHING),
            *[(name, _Any | None, None) for name in _OBJECTS],
            *[(name, _Text, None) for name in _TEXTS],
        ],
        key=itemgetter(0),
    ),
    gc=False,
    forbid_unknown_fields=True,
)


class _Event(msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True):
    _metadata: _Any | None = None
    anonymousId: _Text = None  # noqa: N815  Segment's spelling, here and below
    channel: _Text = None
    context: _Context | None = None  # type: ignore[valid-type]
    event: _Text = None
    integrations: _Any | None = None
    messageId: _Text = None  # noqa: N815
    originalTimestamp: _Text = None  # noqa: N815
    page: _Page | None = None
    projectId: _Text = None  # noqa: N815
    receivedAt: _Text = None  # noqa: N815
    sentAt: _Text = None  # noqa: N815
    timestamp: _Text = None
    traits: dict[str, Any]
    type: str
    url: _Text = None
    userId: _Text = None  # noqa: N815
    version: int | str | float | None = None
    writeKey: _Text | msgspec.UnsetType = msgspec.UNSET  # noqa: N815


_decode = msgspec.json.Decoder(_Event).decode
_skip = msgspec.json.Decoder(msgspec.Raw).decode
_NOTHING_SAID: Final = Description(None, None)  # as most events of an audience
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read(body: bytes, workspace: Workspace) -> Identify | Rejection | None:
    """Return the identify that an event is, or why it is none; None: another path must tell."""
    if workspace.format is not None or not (body.isascii() or _is_utf8(body)):
        return None
    try:
        event = _decode(body)
        changes = _memberships(event, workspace.audiences) if workspace.audiences else ()
    except _UNREADABLE as error:
        return _unreadable(body, error)
    context: Any = event.context
    url, page = event.url, event.page
    if context is not None:
        if context.personas is not None:
            computed = _computed(event.traits, context.personas)
            if computed is None:
                return None
            changes = computed
        if context.page is not None:
            page = page if page is not None and is_text(page.url) else context.page
    if page is not None and is_text(page.url):
        url = page.url
    address, name, message_id = event.traits.get("email"), event.event, event.messageId
    email = contact.normalise(address) if type(address) is str else None
    if email is None:
        email = _spelled_email(event.traits)
    instant = event.originalTimestamp if event.timestamp is None else event.timestamp
    timestamp_ms = timestamps.parse(instant)
    if email is None or timestamp_ms is None or (event.type != "identify" and event.type.lower() != "identify"):
        return _refused(event, email)
    return Identify(
        email,
        timestamp_ms,
        message_id if message_id and not message_id.isspace() else None,
        changes,
        event.writeKey is not msgspec.UNSET,
        _description(name, url) if name or url else _NOTHING_SAID,
    )


def _description(name: str | None, url: str | None) -> Description:
    return Description(name if name and not name.isspace() else None, url if url and not url.isspace() else None)


def _unreadable(body: bytes, error: Exception) -> Rejection | None:
    """Return why what the typed decode cannot read is refused; None: another path must tell."""
    # An escape may be half a character, which msgspec refuses and JSON does not.
    if isinstance(error, msgspec.ValidationError) or b"\\u" in body:
        return None
    try:
        _skip(body)
    except msgspec.DecodeError:
        return reasons.MALFORMED_JSON
    except RecursionError:
        pass
    return None


def _refused(event: _Event, email: str | None) -> Rejection | None:
    """Return why an event that lacks something is refused; None: another path must tell."""
    if event.type.lower() != "identify":
        return reasons.UNSUPPORTED_TYPE
    if email is not None:
        is_missing = event.timestamp is None and event.originalTimestamp is None
        return reasons.MISSING_TIMESTAMP if is_missing else reasons.INVALID_TIMESTAMP
    context: Any = event.context
    if context is not None and context.traits:  # there may be an address
        return None
    said = next(present(event.traits, (("email",),)), None)
    return reasons.MISSING_EMAIL if said is None else reasons.INVALID_EMAIL


def _spelled_email(traits: dict[str, Any]) -> str | None:
    """Return the first e-mail address under any spelling of its key, such as "EMAIL"."""
    addresses = (value for value in present(traits, (("email",),)) if type(value) is str)
    return next(filter(None, map(contact.normalise, addresses)), None)


def _computed(traits: dict[str, Any], computed: _Personas) -> tuple[Change, ...] | None:
    """Return the property that Engage computed; None: another path must tell."""
    kind, name = computed.computation_class, computed.computation_key
    if kind is None or kind not in properties.KINDS or name is None or not is_text(name):
        return None
    value = traits.get(name, msgspec.UNSET)
    if value is True or value is False:
        return _membership(name, kind, member=value)
    change = properties.simple_change(name, value, kind)
    return None if change is None else (change,)


@lru_cache(1024)
def _membership(name: str, kind: str, *, member: bool) -> tuple[Change, ...]:
    # An audience sync says one of two things, millions of times.
    return (properties.change(name, member, kind),)


def _memberships(event: _Event, audiences: tuple[str, ...]) -> tuple[Change, ...]:
    found: dict[str, object] = {"traits": event.traits}
    context: Any = event.context
    if context is not None and context.traits:
        found["context"] = {"traits": msgspec.json.decode(context.traits)}
    return properties.read(found, audiences)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
