"""What the driver hands over -> a record."""

from functools import lru_cache
from typing import Any, Final

from processor.records import Record
from schemas.topics import HEADER_RECEIVED_AT, HEADER_WORKSPACE
from schemas.workspace import DEFAULT

_MOST_DIGITS: Final = 15  # of a received_at: no later than the year 33658


def to_record(message: Any, partition: int, offset: int) -> Record:
    """Return the record that a confluent_kafka.Message without an error is; its place is the caller's to read."""
    workspace, received_at_ms = DEFAULT, None
    for name, value in message.headers() or ():  # pairs of str and bytes; of several of one name the last counts
        if name == HEADER_WORKSPACE:
            workspace = _name(value) or workspace
        elif name == HEADER_RECEIVED_AT:
            instant = _instant(value)
            received_at_ms = received_at_ms if instant is None else instant
    return Record(
        partition, offset, message.key(), message.value() or b"", workspace, received_at_ms, message.timestamp()[1]
    )


# The same headers come again and again: those of one request, of one millisecond, of one workspace.


@lru_cache(1024)
def _name(value: bytes | None) -> str | None:
    return value.decode("utf-8", "replace") if value else None


@lru_cache(1024)
def _instant(value: bytes | None) -> int | None:
    return int(value[:_MOST_DIGITS]) if value and value.isdigit() else None
