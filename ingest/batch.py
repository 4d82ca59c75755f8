"""A batch -> its events, each with exactly the bytes that were received, with the batch's defaults merged in.

`{"batch": […], "context": {…}, "integrations": {…}}`, or a bare list (contract, section 2). The events' contents are
not checked: `schemas.segment.read` validates each one. Invariant: an event that lacks none of the defaults keeps its
bytes.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from ingest import answers
from ingest.counting import is_dense
from ingest.http.response import Refusal
from schemas.rejections import Reason

_DEFAULTS: Final = ("context", "integrations")

Defaults = dict[str, dict[str, msgspec.Raw]]


class Parts(NamedTuple):
    """A batch taken apart. Values are bytes of JSON as received."""

    events: Sequence[bytes]
    defaults: Defaults


def take_apart(body: bytes, most: int) -> Parts | Refusal:
    """Return the events, so many at most, and the defaults of a batch, or why it is none."""
    try:
        found = _decode(body)
    except msgspec.ValidationError:
        return answers.MISSING_BATCH if _first(body) == b"{" else answers.REASONS[Reason.NOT_AN_OBJECT]
    except (msgspec.DecodeError, RecursionError):
        return _take_wild_apart(body, most)
    defaults = ((name, _fields(getattr(found, name))) for name in _DEFAULTS)
    return _parts(found.batch, {name: fields for name, fields in defaults if fields}, most)


def take_list_apart(body: bytes, most: int) -> Parts | Refusal:
    """Return the events, so many at most, of a batch that is a bare list."""
    try:
        return _parts(_decode_list(body), {}, most)
    except (msgspec.DecodeError, RecursionError):
        return _take_wild_list_apart(body, most)


def is_list(body: bytes) -> bool:
    """Whether a body is a list, if it is JSON at all."""
    return _first(body) == b"["


def with_defaults(event: bytes, defaults: Defaults) -> bytes:
    """Put defaults under an event, one level deep: what it has itself stays, what its object lacks is filled in."""
    fields = _fields(event)
    if fields is None:
        return event
    lacking = False
    for name, default in defaults.items():
        own = _fields(fields[name]) if name in fields else {}
        if own is not None and not default.keys() <= own.keys():
            fields[name] = msgspec.Raw(_object(default | own))
            lacking = True
    return _object(fields) if lacking else event


class _Batch(msgspec.Struct, gc=False):
    batch: list[msgspec.Raw]
    context: msgspec.Raw = msgspec.Raw(b"")
    integrations: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Batch).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _parts(events: Sequence[msgspec.Raw | bytes], defaults: Defaults, most: int) -> Parts | Refusal:
    if len(events) > most:
        return answers.TOO_MANY_EVENTS
    return Parts([bytes(event) for event in events], defaults)


def _first(body: bytes) -> bytes:
    return body.lstrip(b" \t\r\n")[:1]


def _fields(value: msgspec.Raw | bytes) -> dict[str, msgspec.Raw] | None:
    """Return an object's fields, their values as bytes; None for what is no object or cannot be read."""
    try:
        return _decode_fields(value)
    except msgspec.ValidationError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _wild_fields(bytes(value))


def _object(fields: dict[str, msgspec.Raw]) -> bytes:
    try:
        return msgspec.json.encode(fields)
    except UnicodeEncodeError:  # a name with half a character, which JSON's text may have
        return b"{%s}" % b",".join(b"%s:%s" % (json.dumps(name).encode(), value) for name, value in fields.items())


# What follows reads JSON that msgspec's grammar refuses but schemas tolerates inside an event: lone surrogate escapes.
# The standard scanner tells where a value ends; numbers stay text, as they may be of any length. It makes an object of
# every value, for which a dense body has too many.

_JSON = json.JSONDecoder(parse_int=str, parse_float=str)
_scan = _JSON.raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")


def _take_wild_apart(body: bytes, most: int) -> Parts | Refusal:
    if is_dense(body, most):
        return answers.REASONS[Reason.MALFORMED_JSON]
    try:
        text = body.decode()
        if _first(body) != b"{":
            _JSON.decode(text)  # raises, unless it is another value
            return answers.REASONS[Reason.NOT_AN_OBJECT]
        fields = dict(_items(text, "{}"))
        if not fields.get("batch", "").startswith("["):
            return answers.MISSING_BATCH
        events = [element.encode() for _, element in _items(fields["batch"], "[]")]
    except (ValueError, RecursionError):
        return answers.REASONS[Reason.MALFORMED_JSON]
    defaults = ((name, _fields(fields.get(name, "").encode())) for name in _DEFAULTS)
    return _parts(events, {name: default for name, default in defaults if default}, most)


def _take_wild_list_apart(body: bytes, most: int) -> Parts | Refusal:
    if is_dense(body, most):
        return answers.REASONS[Reason.MALFORMED_JSON]
    try:
        return _parts([element.encode() for _, element in _items(body.decode(), "[]")], {}, most)
    except (ValueError, RecursionError):
        return answers.REASONS[Reason.MALFORMED_JSON]


def _wild_fields(value: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return {name: msgspec.Raw(field.encode()) for name, field in _items(value.decode(), "{}")}
    except (ValueError, RecursionError):
        return None


def _items(text: str, brackets: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of each field of an object, or "" and each element of a list, as they are spelled.

    Raises:
        ValueError, RecursionError: the text is not JSON, or not one such value.
    """
    opening, closing = brackets[0], brackets[1]
    at = _after(text, 0, opening)
    more = text[at : at + 1] != closing
    while more:
        name = ""
        if opening == "{":
            name, at = _scan(text, at)
            if not isinstance(name, str):
                raise ValueError("expected a name in quotes")
            at = _after(text, at, ":")
        _, end = _scan(text, at)
        yield name, text[at:end]
        at = _after(text, end, "")
        more = text[at : at + 1] == ","
        at = _after(text, at, ",") if more else at
    if _after(text, at, closing) != len(text):
        raise ValueError("unexpected text after the value")


def _after(text: str, at: int, token: str) -> int:
    """Return the place after a token and the white space around it.

    Raises:
        ValueError: something else stands there.
    """
    at = _skip_space(text, at)
    if not text.startswith(token, at):
        raise ValueError(f"expected {token!r} at character {at}")
    return _skip_space(text, at + len(token))


def _skip_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at
