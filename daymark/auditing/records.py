"""Kafka messages as values: raw events with their headers, and the records of the output topics. Decides nothing."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from confluent_kafka import Message

from schemas import avro, headers
from schemas.forgotten import HEADER_FORGOTTEN, Forgotten
from schemas.headers import headers_of
from schemas.rejections import UNREADABLE_RECORD, Rejection
from schemas.workspace import DEFAULT

_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_EPOCH_ORDINAL = _EPOCH.toordinal()

ById = Callable[[int], avro.Schema]


class Raw(NamedTuple):
    """A raw record.

    `partition` is a number of `schemas.lanes`: it tells segment.backfill from segment.events. `received_at_ms` is
    ingest's header (None: absent); `appended_ms` the record's timestamp. `refusal` is the reason why it cannot be read
    at all.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    workspace: str
    received_at_ms: int | None
    appended_ms: int
    refusal: Rejection | None = None


class Output(NamedTuple):
    """A record of an output topic, instants as epoch milliseconds, days as days since 1970, ids as text."""

    partition: int
    offset: int
    key: bytes | None
    fields: dict[str, Any]


def raw(message: Message, base: int = 0) -> Raw:
    """Return a raw record's parts; one without the header `workspace` belongs to the default one (contract, 6).

    Args:
        message: of a topic of raw events.
        base: added to the number of its partition.
    """
    partition, offset = coordinates(message)
    place = base + partition, offset
    if message.error() is not None:  # its content is gone, only its coordinates are known
        return Raw(*place, None, b"", DEFAULT, None, message.timestamp()[1], UNREADABLE_RECORD)
    workspace, received_at_ms, refusal, _ = headers.parse(message)
    value, appended_ms = message.value() or b"", message.timestamp()[1]
    return Raw(*place, message.key(), value, workspace, received_at_ms, appended_ms, refusal)


def output(message: Message, codec: avro.Codec, by_id: ById | None) -> Output:
    """Return a record of an output topic.

    Args:
        message: with a value.
        codec: of the schema that the topic holds.
        by_id: looks up a registry's schema.

    Raises:
        UnreadableValue: it is not of that schema, or cannot be decompressed.
    """
    if message.error() is not None:
        raise avro.UnreadableValue("it cannot be decompressed")
    schema, fields = avro.decode(message.value() or b"", by_id)
    if schema != codec.name:
        raise avro.UnreadableValue(f"expected a {codec.name}, found a {schema}")
    for name, plain in _PLAIN.items():
        value = fields.get(name)
        if value is not None:
            fields[name] = plain(value)
    return Output(*coordinates(message), message.key(), fields)


def forgotten(message: Message) -> Forgotten | None:
    """Return what a record of segment.rejected without value says was erased; None: it marks something else."""
    with suppress(SystemError, UnicodeDecodeError):  # another application's headers
        for name, value in headers_of(message) or ():
            if name == HEADER_FORGOTTEN and value:
                return Forgotten.unpacked(value)
    return None


def coordinates(message: Message) -> tuple[int, int]:
    """Return a message's partition and offset."""
    return cast("int", message.partition()), cast("int", message.offset())


def _milliseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MILLISECOND


def _days(day: date) -> int:
    return day.toordinal() - _EPOCH_ORDINAL


# Converts the fields of logical types; no two schemas have a field of one name and different types.
_PLAIN: Final[Mapping[str, Callable[[Any], Any]]] = {
    "interaction_id": str,
    "day": _days,
    "timestamp": _milliseconds,
    "received_at": _milliseconds,
}
