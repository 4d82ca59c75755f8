"""The driver's messages -> records. Total: a poison message becomes a record, too."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter, methodcaller
from typing import Any

from processor.records import Record
from schemas import headers
from schemas.rejections import UNREADABLE_RECORD
from schemas.workspace import DEFAULT

# A call for all messages costs a fraction of one for each.
_errors, _partitions, _offsets, _keys, _values, _timestamps = (
    methodcaller(name) for name in ("error", "partition", "offset", "key", "value", "timestamp")
)
_instant_of = itemgetter(1)


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
    if not messages:
        return []
    names, instants, refusals, traces = zip(*map(headers.parse, messages), strict=True)
    values = [value or b"" for value in map(_values, messages)]
    appended = map(_instant_of, map(_timestamps, messages))
    return list(
        map(Record, partitions, offsets, map(_keys, messages), values, names, instants, appended, refusals, traces)
    )


def to_record(message: Any, partition: int, offset: int) -> Record:
    """Return the record that one of them is."""
    return to_records([message], [partition], [offset])[0]


def unreadable(message: Any, partition: int, offset: int) -> Record:
    """Return a substitute for a record that the driver cannot decompress: a rejection without content."""
    return Record(partition, offset, None, b"", DEFAULT, None, message.timestamp()[1], UNREADABLE_RECORD)
