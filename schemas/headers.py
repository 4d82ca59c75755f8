"""A raw record's headers, written and read in one place: its workspace, and when ingest received it (contract, 6).

Total: headers that nobody at Daymark wrote give a rejection, never an exception.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import methodcaller
from typing import Any, Final

from schemas.rejections import UNREADABLE_HEADERS, WORKSPACE_TOO_LONG, Rejection
from schemas.workspace import DEFAULT, NAME_LIMIT_BYTES

WORKSPACE: Final = "workspace"
RECEIVED_AT: Final = "received_at"  # epoch milliseconds, as digits

# A message's headers, as pairs of str and bytes. SystemError: the driver cannot say them. By a call from C, because the
# driver then returns a value and an exception at once, which Python 3.11 no longer checks at a line that is hot.
headers_of: Final[Callable[[Any], Any]] = methodcaller("headers")

_MOST_DIGITS: Final = 15  # of a received_at: no later than the year 33658

Headers = list[tuple[str, str | bytes | None]]  # as the driver's types want them


def pack(workspace: str, received_at_ms: int) -> Headers:
    """Return the headers of a raw record: its workspace, and when it was received, in epoch milliseconds."""
    return [(WORKSPACE, workspace.encode()), (RECEIVED_AT, b"%d" % received_at_ms)]


def parse(message: Any) -> tuple[str, int | None, Rejection | None]:
    """Return what a raw record's headers say: workspace, `received_at` or None, and why the record cannot be read.

    One without a workspace belongs to the default one; of several headers of one name the last valid one counts.

    Args:
        message: a confluent_kafka.Message.
    """
    try:
        pairs = headers_of(message) or ()
    except (SystemError, UnicodeDecodeError):  # the driver's answer to a name that is not UTF-8
        return DEFAULT, None, UNREADABLE_HEADERS
    workspace, received_at_ms, refusal = DEFAULT, None, None
    for name, text in pairs:
        if name == WORKSPACE:
            if text and len(text) > NAME_LIMIT_BYTES:
                refusal = WORKSPACE_TOO_LONG
            else:
                workspace = _name(text) or workspace
        elif name == RECEIVED_AT:
            instant = _instant(text[:_MOST_DIGITS] if text and text.isdigit() else None)
            received_at_ms = received_at_ms if instant is None else instant
    return workspace, received_at_ms, refusal


# The same headers come again and again: those of one request, of one millisecond, of one workspace.


@lru_cache(1024)
def _name(text: bytes | None) -> str | None:
    return text.decode("utf-8", "replace") if text else None


@lru_cache(1024)
def _instant(digits: bytes | None) -> int | None:
    return int(digits) if digits else None
