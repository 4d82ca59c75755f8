"""Messages of the driver -> records. Total: a poison message becomes a record, too."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter, methodcaller
from typing import Any, Final

from processor.records import Record
from schemas.rejections import UNREADABLE_HEADERS, UNREADABLE_RECORD, WORKSPACE_TOO_LONG, Rejection
from schemas.topics import HEADER_RECEIVED_AT, HEADER_WORKSPACE, headers_of
from schemas.workspace import DEFAULT, NAME_LIMIT_BYTES

_MOST_DIGITS: Final = 15  # of a received_at: no later than the year 33658


# A call for all messages costs a fraction of one for each.
_errors, _partitions, _offsets, _keys, _values, _timestamps = (
    methodcaller(name) for name in ("error", "partition", "offset", "key", "value", "timestamp")
)
_instant_of = itemgetter(1)
_Told = tuple[str, int | None, Rejection | None]


def as_they_come(messages: Sequence[Any], ours: set[int], following: Mapping[int, int]) -> list[Record] | None:
    """Return the records of messages where there is nothing to drop, to miss or to meet; None: there is something.

    Args:
        messages: confluent_kafka.Messages.
        ours: partitions that records may be of.
        following: the offset that must come next in a partition, where that is known.
    """
    partitions, offsets = list(map(_partitions, messages)), list(map(_offsets, messages))
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
    names, instants, refusals = zip(*map(_told, messages), strict=True)
    values = [value or b"" for value in map(_values, messages)]
    appended = map(_instant_of, map(_timestamps, messages))
    return list(map(Record, partitions, offsets, map(_keys, messages), values, names, instants, appended, refusals))


def to_record(message: Any, partition: int, offset: int) -> Record:
    """Return the record that one of them is."""
    return to_records([message], [partition], [offset])[0]


def _told(message: Any) -> _Told:
    """Return what headers say: workspace, received_at, and why the record cannot be read."""
    try:
        pairs = headers_of(message) or ()  # pairs of str and bytes; of several of one name the last counts
    except (SystemError, UnicodeDecodeError):  # the driver's answer to a name that is not UTF-8
        return DEFAULT, None, UNREADABLE_HEADERS
    workspace, received_at_ms, refusal = DEFAULT, None, None
    for name, text in pairs:
        if name == HEADER_WORKSPACE:
            if text and len(text) > NAME_LIMIT_BYTES:
                refusal = WORKSPACE_TOO_LONG
            else:
                workspace = _name(text) or workspace
        elif name == HEADER_RECEIVED_AT:
            instant = _instant(text[:_MOST_DIGITS] if text and text.isdigit() else None)
            received_at_ms = received_at_ms if instant is None else instant
    return workspace, received_at_ms, refusal


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
