"""What the driver hands over -> a record."""

from functools import lru_cache
from typing import Any, Final

from processor.records import Record
from schemas.topics import HEADER_RECEIVED_AT, HEADER_WORKSPACE
from schemas.workspace import DEFAULT

_MOST_DIGITS: Final = 15  # of a received_at: no later than the year 33658


def to_record(message: Any) -> Record:
    """Return the record that a confluent_kafka.Message without an error is."""
    workspace, received_at = _origin(message.headers())
    return Record(
        message.partition(),
        message.offset(),
        message.key(),
        message.value() or b"",
        DEFAULT if workspace is None else workspace,
        received_at,
        message.timestamp()[1],
    )


def _origin(headers: Any) -> tuple[str | None, int | None]:
    """Return workspace and receipt as ingest notes them; of several headers of one name the last counts."""
    workspace, received_at_ms = None, None
    for name, value in headers or ():  # pairs of str and bytes
        if name == HEADER_WORKSPACE and value:
            workspace = _text(value)
        elif name == HEADER_RECEIVED_AT and value and value.isdigit():
            received_at_ms = int(value[:_MOST_DIGITS])
    return workspace, received_at_ms


@lru_cache(1024)
def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
