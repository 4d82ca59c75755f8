"""The fast parser: reads the fields that count at their exact places, and proves that no other spelling of them occurs.

Where it answers, its answer is that of the tolerant path, which tests/schemas/test_fast_path.py verifies. A field with
the exact place and spelling takes precedence. Where that is absent, `Keys` shows that no other spelling occurs. So the
cost does not depend on an event's other fields; whatever neither can settle is left to the tolerant path.
"""

from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET, UnsetType

from schemas import contact, properties, rejections, timestamps, tolerant
from schemas.credentials import KEY
from schemas.identify import Change, Description, Identify, Value, is_text
from schemas.keys import Keys
from schemas.rejections import Rejection
from schemas.trait_reader import decode_whole, read_email, reader
from schemas.workspace import Workspace


class _Unsettled(Enum):
    UNSETTLED = auto()


_UNSETTLED: Final = _Unsettled.UNSETTLED  # the tolerant path must answer
_Refused = Rejection | _Unsettled

# Fields in the order of the alphabet, as Segment's servers write them: msgspec looks for the next name after the last.


class _Personas(msgspec.Struct, gc=False):
    computation_class: Any = UNSET
    computation_key: Any = UNSET


class _Context(msgspec.Struct, gc=False):
    personas: _Personas | None = None
    traits: msgspec.Raw | UnsetType = UNSET  # decoded where something of them is asked for, here and below


class _Event(msgspec.Struct, gc=False):
    context: _Context | None = None
    email: Any = UNSET
    messageId: Any = UNSET  # noqa: N815  Segment's spelling, here and below
    originalTimestamp: Any = UNSET  # noqa: N815
    timestamp: Any = UNSET
    traits: msgspec.Raw | UnsetType = UNSET
    type: Any = UNSET
    writeKey: Any = UNSET  # noqa: N815


class _Page(msgspec.Struct, gc=False):
    url: Any = UNSET


class _PageContext(msgspec.Struct, gc=False):
    page: _Page | UnsetType | None = UNSET


class _Described(msgspec.Struct, gc=False):
    context: _PageContext | None = None
    event: Any = UNSET
    page: _Page | UnsetType | None = UNSET
    url: Any = UNSET


_decode = msgspec.json.Decoder(_Event).decode
_decode_described = msgspec.json.Decoder(_Described).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_skip = msgspec.json.Decoder(msgspec.Raw).decode
_NOTHING_SAID: Final = Description(None, None)  # as most events of an audience
_API_KEY: Final = b'"%s":' % KEY.encode()
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read(body: bytes, workspace: Workspace, *, type_required: bool, published: bool) -> Identify | Rejection | None:
    """Return the identify in an event, or why there is none; None: the tolerant path must decide."""
    if workspace.format is not None or not (body.isascii() or _is_utf8(body)):
        return None
    try:
        found = _identify(
            _decode(body), Keys(body), workspace.audiences, type_required=type_required, published=published
        )
    except _UNREADABLE as error:
        return _unreadable(body, error)
    return None if found is _UNSETTLED else found


def describe(body: bytes, workspace: Workspace) -> Description | None:
    """Return the description of the visit in an accepted event; None: the tolerant path must decide."""
    if workspace.format is not None:
        return None
    keys = Keys(body)
    if keys.times(b'"url":') == keys.times(b'"event":') == 0:
        return _NOTHING_SAID
    try:
        event = _decode_described(body)
        name, url = _text(event.event, b'"event":', keys), _url(event, keys)
        if name is _UNSETTLED or url is _UNSETTLED:
            return tolerant.described(_decode_object(body), workspace)
    except _UNREADABLE:
        return None
    return Description(name, url)


def _identify(
    event: _Event, keys: Keys, audiences: tuple[str, ...], *, type_required: bool, published: bool
) -> Identify | _Refused:
    # Of each field the exact place is looked at here: a call more is felt.
    if event.type != "identify" and (refused := _type(event.type, keys, type_required=type_required)):
        return refused
    context, said, traits = event.context, event.timestamp, None
    personas = None if context is None else context.personas
    if event.traits:
        traits = (read_email if personas is None else reader(personas.computation_key))(event.traits)
    email: Any = contact.normalise(traits.email) if traits is not None and type(traits.email) is str else None
    if email is None:
        email = _email(event, traits, keys)
        if type(email) is not str:
            return cast("_Refused", email)
    timestamp_ms: Any = timestamps.parse(said) if type(said) is str else None
    if timestamp_ms is None:
        timestamp_ms = _timestamp(event, keys)
        if type(timestamp_ms) is not int:
            return cast("_Refused", timestamp_ms)
    message_id = event.messageId
    if type(message_id) is not str or not message_id or message_id.isspace():
        message_id = _text(message_id, b'"messageid":', keys)
    changes = _changes(event, traits, keys, audiences)
    bears_key = event.writeKey is not UNSET
    if not (bears_key or published) and keys.times(_API_KEY):  # under another spelling, or in another object
        return _UNSETTLED
    if message_id is _UNSETTLED or changes is _UNSETTLED:
        return _UNSETTLED
    return Identify(email, timestamp_ms, message_id, changes, bears_key)


def _type(kind: Any, keys: Keys, *, type_required: bool) -> Rejection | _Unsettled | None:
    """Return why an event is not an identify call; None if it is one."""
    if type(kind) is str:
        return None if kind.lower() == "identify" else rejections.UNSUPPORTED_TYPE
    if (kind is None or kind is UNSET) and keys.times(b'"type":') == (kind is not UNSET):
        return rejections.UNSUPPORTED_TYPE if type_required else None
    return _UNSETTLED


def _email(event: _Event, traits: Any, keys: Keys) -> str | _Refused:
    """Return the contact: of the places the first that holds an address, under any spelling of its key."""
    context = event.context
    more = read_email(context.traits) if context is not None and context.traits else None
    said = [each.email for each in (traits, more, event) if each is not None and each.email is not UNSET]
    if keys.times(b'"email":') != len(said):
        return tolerant.email(_decode_object(keys.body))  # of text, of which any decoder reads the same
    for each in said:
        email = contact.normalise(each) if type(each) is str else None
        if email is not None:
            return email
    return rejections.MISSING_EMAIL if said.count(None) == len(said) else rejections.INVALID_EMAIL


def _timestamp(event: _Event, keys: Keys) -> int | _Refused:
    """Return the instant: of `timestamp`, or where that says nothing of `originalTimestamp`."""
    said = event.timestamp
    timestamp_ms = timestamps.parse(said) if type(said) is str else None
    if timestamp_ms is not None:
        return timestamp_ms
    if keys.times(b'"timestamp":') != (said is not UNSET):
        return _UNSETTLED
    if said is None or said is UNSET:
        said = event.originalTimestamp
        timestamp_ms = timestamps.parse(said) if type(said) is str else None
        if timestamp_ms is not None:
            return timestamp_ms
        if keys.times(b'"originaltimestamp":') != (said is not UNSET):
            return _UNSETTLED
    if said is None or said is UNSET:
        return rejections.MISSING_TIMESTAMP
    return rejections.INVALID_TIMESTAMP if type(said) is str else _UNSETTLED


def _text(said: Any, quoted: bytes, keys: Keys) -> str | _Unsettled | None:
    """Return the text of the exact key, or None when no other spelling of it occurs."""
    if type(said) is str and said and not said.isspace():
        return said
    return None if keys.times(quoted) == (said is not UNSET) else _UNSETTLED


def _url(event: _Described, keys: Keys) -> str | _Unsettled | None:
    context = event.context
    pages = (event.page, UNSET if context is None else context.page)
    first, second = (page.url if isinstance(page, _Page) else UNSET for page in pages)
    if is_text(first):
        return first
    if keys.times(b'"page":') != sum(page is not UNSET for page in pages):
        return _UNSETTLED
    if not isinstance(event.page, _Page) and is_text(second):
        return second
    if keys.times(b'"url":') != sum(url is not UNSET for url in (first, second, event.url)):
        return _UNSETTLED
    return next(filter(is_text, (second, event.url)), None)


def _changes(event: _Event, traits: Any, keys: Keys, audiences: tuple[str, ...]) -> tuple[Change, ...] | _Unsettled:
    """Return the properties that an event sets."""
    context = event.context
    personas = None if context is None else context.personas
    kind: Any = UNSET if personas is None else personas.computation_class
    if personas is not None and type(kind) is str:
        if kind not in properties.KINDS:
            kind = kind.lower()
        if kind in properties.KINDS:
            return _computed(traits, kind, personas.computation_key)
    if keys.times(b'"computationclass":') != (kind is not UNSET):
        return _UNSETTLED
    return _memberships(event, keys, audiences) if audiences else ()


def _computed(traits: Any, kind: str, name: Any) -> tuple[Change, ...] | _Unsettled:
    """Return the property that Engage computed."""
    if traits is None or not is_text(name) or traits.value is UNSET:
        return _UNSETTLED
    value = traits.value
    if value is True or value is False:
        return _membership(name, kind, value)
    change = properties.simple_change(name, value, kind)
    return _UNSETTLED if change is None else (change,)


@lru_cache(1024)
def _membership(name: str, kind: str, value: Value) -> tuple[Change, ...]:
    # An audience sync says one of two things, millions of times.
    return (properties.change(name, value, kind),)


def _memberships(event: _Event, keys: Keys, audiences: tuple[str, ...]) -> tuple[Change, ...] | _Unsettled:
    context = event.context
    more = UNSET if context is None else context.traits
    if keys.times(b'"traits":') != (event.traits is not UNSET) + (more is not UNSET):
        return _UNSETTLED
    return properties.read({"traits": _decoded(event.traits), "context": {"traits": _decoded(more)}}, audiences)


def _decoded(traits: msgspec.Raw | UnsetType) -> dict[str, Any] | None:
    return decode_whole(traits) if traits else None


def _unreadable(body: bytes, error: Exception) -> Rejection | None:
    """Return why an event that the typed decode cannot read is rejected; None: the tolerant path must decide."""
    # An escape may be half a character, which msgspec refuses and JSON does not.
    if isinstance(error, msgspec.ValidationError) or b"\\u" in body:
        return None
    try:
        _skip(body)
    except msgspec.DecodeError:
        return rejections.MALFORMED_JSON
    except RecursionError:
        pass
    return None


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
