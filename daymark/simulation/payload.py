"""The bytes of one call, as Engage sends them; who, when and what is decided elsewhere.

The shape is that of a captured call: `context.personas`, the computed value among the traits, `sentAt` null, an
`originalTimestamp` in nanoseconds, `messageId` "personas_" and 27 characters. A template is filled in from tables of
digits, which is several times as fast as encoding JSON. Invariant: text in a `Call` needs no JSON escapes.
"""

import binascii
import hashlib
import re
from datetime import date
from functools import lru_cache

import msgspec

MESSAGE_ID_BYTES = 20  # as many as 27 characters can encode

_TEMPLATE = (
    b'{"channel":"server","context":{"integrations":{"personas":false},"library":{"name":"unknown","version":"unknown"}'
    b'%%s,"personas":{"computation_class":"%(class)s","computation_id":"%(computation)s","computation_key":"%(key)s",'
    b'"namespace":"spa_%(space)s","space_id":"spa_%(space)s"}},"integrations":%(integrations)s,'
    b'"messageId":"personas_%%s","originalTimestamp":"%%s%%s%%sZ","projectId":"%(project)s",'
    b'"receivedAt":"%%sZ","sentAt":null,"timestamp":"%%sZ","traits":{"%(key)s":%%s%%s},"type":"%%s",'
    b'%%s,"version":2}'
)
_INTEGRATIONS = b'{"All":false,"Nat":true,"Warehouses":{"all":false}}'
_REPLAYED = b'{"All":false,"Nat":true}'  # Segment replaces the original integrations with this
_ID_PREFIXES = {"trait": b"tra_"}  # all others have "aud_"
_PAGE = b',"page":{"path":"%s","referrer":"","search":"","title":"","url":"https://www.example.com%s"}'
_PATHS = tuple(
    _PAGE % (path, path) for path in (b"/", b"/pricing", b"/docs/start", b"/blog/2026", b"/contacts", b"/faq")
)

_ANONYMOUS = b'"anonymousId":"3d316d2c-0000-4000-8000-%012x"'

_SECONDS = [b"T%02d:%02d:%02d." % (second // 3600, second // 60 % 60, second % 60) for second in range(86_400)]
_THOUSANDTHS = [b"%03d" % number for number in range(1000)]
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LETTERS = bytes.maketrans(b"+/", b"Qz")  # base64 -> the letters and digits of Engage's ids


class Call(msgspec.Struct, frozen=True, gc=False):
    """The contents of one call.

    Times are epoch milliseconds, `nanoseconds` the fraction after them, below 1,000,000. `value` is the computed
    property's, in JSON. `page` selects one, None for a call without a page. A call for an identifier without e-mail
    carries none; one for an anonymous identifier names no user.
    """

    user: int
    email: str | None
    value: bytes
    timestamp_ms: int
    received_ms: int
    nanoseconds: int
    message_id: bytes
    page: int | None
    email_key: bytes = b"email"
    type: bytes = b"identify"
    anonymous: bool = False


def key(name: str) -> str:
    """Return a computation's key: its name in snake case.

    Raises:
        ValueError: the name has no letter or digit to derive a key from.
    """
    found = re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")
    if not found:
        raise ValueError("the name of an audience needs a letter or a digit")
    return found


def template(name: str, kind: str = "audience", *, replayed: bool = False) -> bytes:
    """Return the template that all calls of a computation share.

    Args:
        name: the computation's.
        kind: Segment's computation_class: audience, trait or journey_step.
        replayed: whether these calls are sent by a replay.

    Raises:
        ValueError: the name has no letter or digit to derive a key from.
    """
    ids = hashlib.blake2b(key(name).encode()).digest()
    return _TEMPLATE % {
        b"class": kind.encode(),
        b"computation": _ID_PREFIXES.get(kind, b"aud_") + _id(ids[:20]),
        b"integrations": _REPLAYED if replayed else _INTEGRATIONS,
        b"key": key(name).encode(),
        b"project": _id(ids[20:40])[:22],
        b"space": _id(b"space" * 4)[:22],
    }


def write(frame: bytes, call: Call) -> bytes:
    """Return a call as JSON, in UTF-8."""
    timestamp = _stamp(call.timestamp_ms)
    return frame % (
        b"" if call.page is None else _PATHS[call.page % len(_PATHS)],
        _id(call.message_id),
        timestamp,
        _THOUSANDTHS[call.nanoseconds // 1000],
        _THOUSANDTHS[call.nanoseconds % 1000],
        _stamp(call.received_ms),
        timestamp,
        call.value,
        b"" if call.email is None else b',"%s":"%s"' % (call.email_key, call.email.encode()),
        call.type,
        (_ANONYMOUS if call.anonymous else b'"userId":"user_%d"') % call.user,
    )


def _id(value: bytes) -> bytes:
    return binascii.b2a_base64(value, newline=False).translate(_LETTERS)[:27]


def _stamp(instant_ms: int) -> bytes:
    day, rest = divmod(instant_ms, 86_400_000)
    return _date(day) + _SECONDS[rest // 1000] + _THOUSANDTHS[rest % 1000]


@lru_cache(maxsize=1024)
def _date(day: int) -> bytes:
    return date.fromordinal(_EPOCH_ORDINAL + day).isoformat().encode()
