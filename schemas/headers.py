"""A record's headers, written and read in one place: workspace, time of receipt, trace (contract, section 6).

Total: headers that nobody at Daymark wrote give a rejection, never an exception.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from operator import methodcaller
from typing import Any, Final

from schemas.rejections import UNREADABLE_HEADERS, WORKSPACE_TOO_LONG, Rejection
from schemas.workspace import DEFAULT, NAME_LIMIT_BYTES

WORKSPACE: Final = "workspace"
RECEIVED_AT: Final = "received_at"  # epoch milliseconds, as digits
TRACEPARENT: Final = "traceparent"  # of W3C Trace Context: a request's, then that of each record that results from it

# A message's headers, as pairs of str and bytes. SystemError: the driver cannot say them. By a call from C, because the
# driver then returns a value and an exception at once, which Python 3.11 no longer checks at a line that is hot.
headers_of: Final[Callable[[Any], Any]] = methodcaller("headers")

_MOST_DIGITS: Final = 15  # of a received_at: no later than the year 33658
_TRACEPARENT_BYTES: Final = 55
# Version 00 of https://www.w3.org/TR/trace-context/#traceparent-header: trace, span, flags; neither id is all zeros.
_TRACEPARENT: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

Headers = list[tuple[str, str | bytes | None]]  # as the driver's types want them


def pack(workspace: str, received_at_ms: int, trace: bytes | None = None) -> Headers:
    """Return the headers of a raw record.

    Args:
        workspace: whose event it is.
        received_at_ms: when it was received, in epoch milliseconds.
        trace: the traceparent of its request, valid or not; None: it has none.
    """
    packed: Headers = [(WORKSPACE, workspace.encode()), (RECEIVED_AT, b"%d" % received_at_ms)]
    if trace is not None and is_trace(trace):
        packed.append((TRACEPARENT, trace))
    return packed


def is_trace(text: bytes) -> bool:
    """Return whether this is a valid traceparent of version 00, the only one that there is."""
    return len(text) == _TRACEPARENT_BYTES and _TRACEPARENT.fullmatch(text) is not None


def parse(message: Any) -> tuple[str, int | None, Rejection | None, bytes | None]:
    """Return what a raw record's headers say: workspace, `received_at`, why the record cannot be read, traceparent.

    Each of the last three may be None.

    One without a workspace belongs to the default one; of several headers of one name the last valid one counts.

    Args:
        message: a confluent_kafka.Message.
    """
    try:
        pairs: list[tuple[str, Any]] = headers_of(message) or []
    except (SystemError, UnicodeDecodeError):  # the driver's answer to a name that is not UTF-8
        return DEFAULT, None, UNREADABLE_HEADERS, None
    if len(pairs) == 2:  # noqa: PLR2004  as `pack` writes them without a trace
        (first, name), (second, digits) = pairs
        is_ours = first == WORKSPACE and second == RECEIVED_AT and name and digits and digits.isdigit()
        if is_ours and len(name) <= NAME_LIMIT_BYTES and len(digits) <= _MOST_DIGITS:
            return _usual(name, digits)
    workspace, received_at_ms, refusal, trace = DEFAULT, None, None, None
    for name, text in pairs:
        if name == WORKSPACE:
            if text and len(text) > NAME_LIMIT_BYTES:
                refusal = WORKSPACE_TOO_LONG
            else:
                workspace = _name(text) or workspace
        elif name == RECEIVED_AT:
            instant = _instant(text[:_MOST_DIGITS] if text and text.isdigit() else None)
            received_at_ms = received_at_ms if instant is None else instant
        elif name == TRACEPARENT and text and is_trace(text):
            trace = text
    return workspace, received_at_ms, refusal, trace


# The same headers come again and again: those of one request, of one millisecond, of one workspace.


@lru_cache(1024)
def _usual(name: bytes, digits: bytes) -> tuple[str, int, None, None]:
    return name.decode("utf-8", "replace"), int(digits), None, None


@lru_cache(1024)
def _name(text: bytes | None) -> str | None:
    return text.decode("utf-8", "replace") if text else None


@lru_cache(1024)
def _instant(digits: bytes | None) -> int | None:
    return int(digits) if digits else None
