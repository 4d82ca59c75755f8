"""What the driver hands over -> a record. Total: whatever somebody has written, a record comes of it."""

from functools import lru_cache
from typing import Any, Final

from processor.records import Record
from schemas.reasons import UNREADABLE_HEADERS, UNREADABLE_RECORD, WORKSPACE_TOO_LONG
from schemas.topics import HEADER_RECEIVED_AT, HEADER_WORKSPACE
from schemas.workspace import DEFAULT, NAME_LIMIT_BYTES

_MOST_DIGITS: Final = 15  # of a received_at: no later than the year 33658


def to_record(message: Any, partition: int, offset: int) -> Record:
    """Return the record that a confluent_kafka.Message without an error is; its place is the caller's to read."""
    workspace, received_at_ms, refusal = DEFAULT, None, None
    headers = message.headers
    try:
        pairs = headers() or ()  # pairs of str and bytes; of several of one name the last counts
    except (SystemError, UnicodeDecodeError):  # the driver's answer to a name that is not UTF-8
        pairs, refusal = (), UNREADABLE_HEADERS
    for name, text in pairs:
        if name == HEADER_WORKSPACE:
            if text and len(text) > NAME_LIMIT_BYTES:
                refusal = WORKSPACE_TOO_LONG
            else:
                workspace = _name(text) or workspace
        elif name == HEADER_RECEIVED_AT:
            instant = _instant(text[:_MOST_DIGITS] if text and text.isdigit() else None)
            received_at_ms = received_at_ms if instant is None else instant
    key, value, appended_ms = message.key(), message.value() or b"", message.timestamp()[1]
    return Record(partition, offset, key, value, workspace, received_at_ms, appended_ms, refusal)


def unreadable(message: Any, partition: int, offset: int) -> Record:
    """Return what stands for a record that the driver cannot decompress: a rejection without content."""
    return Record(partition, offset, None, b"", DEFAULT, None, message.timestamp()[1], UNREADABLE_RECORD)


# The same headers come again and again: those of one request, of one millisecond, of one workspace.


@lru_cache(1024)
def _name(text: bytes | None) -> str | None:
    return text.decode("utf-8", "replace") if text else None


@lru_cache(1024)
def _instant(digits: bytes | None) -> int | None:
    return int(digits) if digits else None
