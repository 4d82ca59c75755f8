"""The driver's messages -> records. Total: a poison message becomes a record, too."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import methodcaller
from typing import Any

from processor.records import Record
from schemas.headers import parse
from schemas.rejections import UNREADABLE_RECORD
from schemas.workspace import DEFAULT

# A call for all messages costs a fraction of one for each.
_errors, _partitions, _offsets, _keys, _values = (
    methodcaller(name) for name in ("error", "partition", "offset", "key", "value")
)


def as_they_come(
    messages: Sequence[Any], ours: set[int], following: Mapping[int, int], base: int = 0
) -> list[Record] | None:
    """Return the records of messages where there is nothing to drop, to miss or to meet; None: there is something.

    Args:
        messages: confluent_kafka.Messages.
        ours: partitions that records may be of.
        following: the offset that must come next in a partition, where that is known.
        base: added to the number of each message's partition (`schemas.lanes`).
    """
    partitions, offsets = list(map(_partitions, messages)), list(map(_offsets, messages))
    if base:
        partitions = [base + partition for partition in partitions]
    if not ours.issuperset(partitions) or not {type(None)}.issuperset(map(type, map(_errors, messages))):
        return None
    upto, start = dict(following), 0
    for partition, run in groupby(partitions):
        stop = start + sum(1 for _ in run)
        first = upto.get(partition, offsets[start])
        upto[partition] = first + stop - start
        if offsets[start:stop] != list(range(first, upto[partition])):
            return None
        start = stop
    return to_records(messages, partitions, offsets)


def to_records(messages: Sequence[Any], partitions: Iterable[int], offsets: Iterable[int]) -> list[Record]:
    """Return the records that confluent_kafka.Messages without an error are; their places are the caller's to read."""
    records = []
    columns = zip(messages, partitions, offsets, map(_keys, messages), map(_values, messages), strict=False)
    for message, partition, offset, key, value in columns:
        workspace, received_at_ms, refusal, trace = parse(message)
        arrived_ms = message.timestamp()[1] if received_at_ms is None else received_at_ms
        records.append(
            Record(partition, offset, key, value or b"", workspace, received_at_ms, arrived_ms, refusal, trace)
        )
    return records


def to_record(message: Any, partition: int, offset: int) -> Record:
    """Return the record that one of them is."""
    return to_records([message], [partition], [offset])[0]


def unreadable(message: Any, partition: int, offset: int) -> Record:
    """Return a substitute for a record that the driver cannot decompress: a rejection without content."""
    return Record(partition, offset, None, b"", DEFAULT, None, message.timestamp()[1], UNREADABLE_RECORD)
