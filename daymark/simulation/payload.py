"""The bytes of one audience call, as Engage sends them: nothing here decides who, when or what.

The shape is that of a captured call: `context.personas`, the membership among the traits, `sentAt` null, an
`originalTimestamp` in nanoseconds, `messageId` "personas_" and 27 characters. It is filled in from tables of
digits, several times as fast as encoding JSON anew. Invariant: `Call` holds text that needs no escape in JSON.
"""

import binascii
import hashlib
import re
from datetime import date
from functools import lru_cache

import msgspec

MESSAGE_ID_BYTES = 20  # as many as 27 characters can carry

_TEMPLATE = (
    b'{"channel":"server","context":{"integrations":{"personas":false},"library":{"name":"unknown","version":"unknown"}'
    b'%%s,"personas":{"computation_class":"audience","computation_id":"aud_%(computation)s","computation_key":"%(key)s",'
    b'"namespace":"spa_%(space)s","space_id":"spa_%(space)s"}},"integrations":{"All":false,"Nat":true,"Warehouses":'
    b'{"all":false}},"messageId":"personas_%%s","originalTimestamp":"%%s%%s%%sZ","projectId":"%(project)s",'
    b'"receivedAt":"%%sZ","sentAt":null,"timestamp":"%%sZ","traits":{"%(key)s":%%s,"%%s":"%%s"},"type":"%%s",'
    b'"userId":"user_%%s","version":2}'
)
_PAGE = b',"page":{"path":"%s","referrer":"","search":"","title":"","url":"https://www.example.com%s"}'
_PATHS = tuple(
    _PAGE % (path, path) for path in (b"/", b"/pricing", b"/docs/start", b"/blog/2026", b"/contacts", b"/faq")
)

_SECONDS = [b"T%02d:%02d:%02d." % (second // 3600, second // 60 % 60, second % 60) for second in range(86_400)]
_THOUSANDTHS = [b"%03d" % number for number in range(1000)]
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LETTERS = bytes.maketrans(b"+/", b"Qz")  # base64 -> the letters and digits of Engage's ids


class Call(msgspec.Struct, frozen=True, gc=False):
    """What one call says.

    Times are epoch milliseconds, `nanoseconds` what comes after them, below 1,000,000. `page` is a choice, None for a
    call without one.
    """

    user: int
    email: str
    entered: bool
    timestamp_ms: int
    received_ms: int
    nanoseconds: int
    message_id: bytes
    page: int | None
    email_key: bytes = b"email"
    type: bytes = b"identify"


def template(audience: str) -> bytes:
    """Return the frame that all calls of an audience share; its name becomes a snake_cased key.

    Raises:
        ValueError: the name has no letter or digit to make a key of.
    """
    key = re.sub(r"[^0-9a-z]+", "_", audience.lower()).strip("_")
    if not key:
        raise ValueError("the name of an audience needs a letter or a digit")
    ids = hashlib.blake2b(key.encode()).digest()
    names = {b"key": key.encode(), b"computation": _id(ids[:20])[:27], b"space": _id(b"space" * 4)[:22]}
    return _TEMPLATE % {**names, b"project": _id(ids[20:40])[:22]}


def write(frame: bytes, call: Call) -> bytes:
    """Return the JSON of a call, in UTF-8."""
    timestamp = _stamp(call.timestamp_ms)
    return frame % (
        b"" if call.page is None else _PATHS[call.page % len(_PATHS)],
        _id(call.message_id),
        timestamp,
        _THOUSANDTHS[call.nanoseconds // 1000],
        _THOUSANDTHS[call.nanoseconds % 1000],
        _stamp(call.received_ms),
        timestamp,
        b"true" if call.entered else b"false",
        call.email_key,
        call.email.encode(),
        call.type,
        b"%d" % call.user,
    )


def _id(value: bytes) -> bytes:
    return binascii.b2a_base64(value, newline=False).translate(_LETTERS)[:27]


def _stamp(instant_ms: int) -> bytes:
    day, rest = divmod(instant_ms, 86_400_000)
    return _date(day) + _SECONDS[rest // 1000] + _THOUSANDTHS[rest % 1000]


@lru_cache(maxsize=1024)
def _date(day: int) -> bytes:
    return date.fromordinal(_EPOCH_ORDINAL + day).isoformat().encode()
