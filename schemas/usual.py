"""Events as most senders send them, read quickly: the fast path of `segment`.

Where it answers, it gives the tolerant path's answer: tests/schemas/test_fast_path.py holds it to that. An event that
has a field which is not listed here, or one of another type than here, is the tolerant path's: it might be another
spelling of a field that counts. So what is at its place is the first there is, and what is not there is nowhere.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

from schemas import contact, properties, timestamps
from schemas.identify import Change, Identify, is_text
from schemas.workspace import Workspace

_Text = str | None
_NOTHING: Final = msgspec.Raw()


class _Any(msgspec.Struct, gc=False):
    """An object of whatever is in it."""


class _Page(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    url: _Text = None
    path: _Text = None
    referrer: _Text = None
    search: _Text = None
    title: _Text = None


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
    [
        ("page", _Page | None, None),
        ("personas", _Personas | None, None),
        ("traits", msgspec.Raw, _NOTHING),
        ("active", bool | None, None),
        ("externalIds", list[_Any] | None, None),
        *[(name, _Any | None, None) for name in _OBJECTS],
        *[(name, _Text, None) for name in _TEXTS],
    ],
    gc=False,
    forbid_unknown_fields=True,
)


class _Event(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    type: str
    timestamp: str
    traits: msgspec.Raw
    context: _Context | None = None  # type: ignore[valid-type]
    page: _Page | None = None
    url: _Text = None
    event: _Text = None
    messageId: _Text = None  # noqa: N815  Segment's spelling, here and below
    _metadata: _Any | None = None
    anonymousId: _Text = None  # noqa: N815
    channel: _Text = None
    integrations: _Any | None = None
    originalTimestamp: _Text = None  # noqa: N815
    projectId: _Text = None  # noqa: N815
    receivedAt: _Text = None  # noqa: N815
    sentAt: _Text = None  # noqa: N815
    userId: _Text = None  # noqa: N815
    version: int | str | float | None = None
    writeKey: _Text = None  # noqa: N815


class _Traits(msgspec.Struct, gc=False):
    email: str


_decode = msgspec.json.Decoder(_Event).decode
_decode_traits = msgspec.json.Decoder(_Traits).decode
_decode_any = msgspec.json.Decoder(dict[str, Any]).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read(body: bytes, workspace: Workspace) -> Identify | None:
    """Return the identify that an event is; None: the tolerant path must tell."""
    if workspace.format is not None or not (body.isascii() or _is_utf8(body)):
        return None
    try:
        event = _decode(body)
        context: Any = event.context
        computed = None if context is None else context.personas
        if computed is not None:
            address, changes = _computed(event.traits, computed)
        else:
            address, changes = _decode_traits(event.traits).email, ()
            if workspace.audiences:
                changes = _memberships(event.traits, context, workspace.audiences)
    except _UNREADABLE:
        return None
    email, timestamp_ms = contact.normalise(address), timestamps.parse(event.timestamp)
    if event.type != "identify" or email is None or timestamp_ms is None or changes is None:
        return None
    name, message_id, url = event.event, event.messageId, event.url
    if event.page is not None or (context is not None and context.page is not None):
        url = _url(event.page, context, url)
    return Identify(
        email,
        timestamp_ms,
        None if url is None or not is_text(url) else url,
        None if name is None or not is_text(name) else name,
        None if message_id is None or not is_text(message_id) else message_id,
        changes,
    )


def _url(page: _Page | None, context: Any, url: str | None) -> str | None:
    if page is not None and is_text(page.url):
        return page.url
    if context is not None and context.page is not None and is_text(context.page.url):
        return str(context.page.url)
    return url


def _computed(traits: msgspec.Raw, computed: _Personas) -> tuple[str, tuple[Change, ...] | None]:
    """Return the e-mail, and the property that Engage computed; None instead: the tolerant path must tell."""
    kind, name = computed.computation_class, computed.computation_key
    found = _decode_any(traits)
    email = found.get("email")
    if kind is None or kind not in properties.KINDS or name is None or not is_text(name) or type(email) is not str:
        return "", None
    value = found.get(name, msgspec.UNSET)
    if value is True or value is False:
        return email, _membership(name, kind, member=value)
    change = properties.simple_change(name, value, kind)
    return email, None if change is None else (change,)


@lru_cache(1024)
def _membership(name: str, kind: str, *, member: bool) -> tuple[Change, ...]:
    # An audience sync says one of two things, millions of times.
    return (properties.change(name, member, kind),)


def _memberships(traits: msgspec.Raw, context: Any, audiences: tuple[str, ...]) -> tuple[Change, ...]:
    event = {"traits": msgspec.json.decode(traits)}
    if context is not None and context.traits:
        event["context"] = {"traits": msgspec.json.decode(context.traits)}
    return properties.read(event, audiences)


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
