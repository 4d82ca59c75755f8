"""Calls that must be rejected: a valid call, broken in one way per reason.

Invariant: `schemas.segment.read` rejects every body made here for exactly the requested reason, whether it arrives
alone, in a batch or in the topic. Only a body that is not JSON cannot be part of a batch.
"""

import re
from typing import assert_never

from schemas.rejections import Reason
from schemas.segment import EVENT_LIMIT_BYTES

# Reasons for which the broken call no longer names the contact.
NAMELESS = frozenset({Reason.MALFORMED_JSON, Reason.NOT_AN_OBJECT, Reason.MISSING_EMAIL, Reason.INVALID_EMAIL})

_EMAIL = re.compile(rb',"email":"[^"]*"')
_TIMESTAMP = re.compile(rb'"timestamp":"[^"]*",')
_TIMESTAMPS_OF_ANY_KIND = re.compile(rb'"(?:timestamp|originalTimestamp)":"[^"]*",')
_NO_OBJECTS = (b'"identify"', b"null", b"42", b"true")
_TYPES = (b"track", b"page", b"group", b"delete")
_EMAILS = (
    b"not an address",
    b"two@signs@example.com",
    b"@example.com",
    b"peter@",
    b"with space@example.com",
    b"cut\\ud83d@a.example",
    b"zero\\u200bwidth@example.com",
    b"mailto:peter@example.com",
)
_TIMESTAMPS = (b"NOW", b"invalid-time", b"2026-13-45T00:00:00Z", b"", b"2026-02-30", b"Tue, 24 Nov 2026 23:14:00 GMT")


def broken(body: bytes, reason: Reason, choice: int) -> bytes:
    """Return a call that must be rejected for `reason`.

    Args:
        body: a valid call, in the plain spelling of `payload`.
        reason: what is to be wrong with it.
        choice: any number; picks one of the ways to break it.
    """
    match reason:
        case Reason.MALFORMED_JSON:
            # Truncated, or an "ë" in Latin-1.
            return body[: -1 - choice % 300] if choice % 2 else body.replace(b'"unknown"', b'"Zo\xeb"', 1)
        case Reason.NOT_AN_OBJECT:
            return _NO_OBJECTS[choice % len(_NO_OBJECTS)]
        case Reason.TOO_LARGE:
            biography = b"x" * (EVENT_LIMIT_BYTES - len(body) + 1 + choice % 1000)
            return body.replace(b'"traits":{', b'"traits":{"biography":"' + biography + b'",', 1)
        case Reason.UNSUPPORTED_TYPE:
            return body.replace(b'"type":"identify"', b'"type":"' + _TYPES[choice % len(_TYPES)] + b'"')
        case Reason.MISSING_EMAIL:
            return _EMAIL.sub(b"", body)
        case Reason.INVALID_EMAIL:
            return _EMAIL.sub(lambda _: b',"email":"' + _EMAILS[choice % len(_EMAILS)] + b'"', body)
        case Reason.MISSING_TIMESTAMP:
            return _TIMESTAMPS_OF_ANY_KIND.sub(b"", body)
        case Reason.INVALID_TIMESTAMP:
            return _TIMESTAMP.sub(b'"timestamp":"' + _TIMESTAMPS[choice % len(_TIMESTAMPS)] + b'",', body)
        case Reason.TIMESTAMP_IN_FUTURE:
            return _TIMESTAMP.sub(b'"timestamp":"%d-06-01T12:00:00.000Z",' % (2100 + choice % 100), body)
        case _:
            assert_never(reason)
