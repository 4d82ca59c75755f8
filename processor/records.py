"""Records of segment.events and the values that pass between a worker's steps. No driver, no decision."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from schemas import lanes
from schemas.rejections import Rejection


class Record(msgspec.Struct, frozen=True, gc=False):
    """A raw record. `received_at_ms` is ingest's header, None without one.

    `arrived_ms` is when the event came: as ingest says, else as the record itself says.

    `partition` is a number of `schemas.lanes`: it distinguishes segment.backfill from segment.events.
    `refusal` says why the record cannot be read at all, whatever its value: it is rejected for that. `trace` is the
    traceparent of its request, which what it becomes carries, too.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    workspace: str
    received_at_ms: int | None
    arrived_ms: int
    refusal: Rejection | None = None
    trace: bytes | None = None

    @property
    def next_offset(self) -> int:
        """The next offset to read after this record."""
        return self.offset + 1


class Batch(msgspec.Struct, frozen=True):
    """Records as one `consume` gave them, in the order of each partition.

    `membership` is the group metadata taken with them, under which their offsets are committed: were it taken at commit
    time, a worker that was cut off could commit what its successor commits, too. `incarnation` marks segment.events and
    `backfill_mark` segment.backfill; `assignment` counts the changes of this member's partitions. The last `backfilled`
    records are of segment.backfill. `kept` are offsets that the group has, to be committed once more: Kafka forgets old
    ones of a topic that no member subscribes to.
    """

    records: Sequence[Record]
    membership: Any
    incarnation: bytes
    assignment: int = 0
    backfill_mark: bytes = b""
    backfilled: int = 0
    kept: Mapping[int, int] = {}

    @property
    def live(self) -> Sequence[Record]:
        """The records of segment.events."""
        return self.records[: len(self.records) - self.backfilled] if self.backfilled else self.records

    @property
    def partitions(self) -> set[int]:
        """The partitions of segment.events that must be assigned to whoever commits it."""
        return {lanes.own(partition) for partition in self.first_offsets()}

    def owner(self, record: Record) -> bytes:
        """Return the owner mark of one of its records."""
        # As `owner` does, for every event that may count: a call more is felt.
        partition = record.partition
        mark = self.incarnation if partition < lanes.BACKFILL else self.backfill_mark
        return mark + (partition << 48 | record.offset).to_bytes(8, "big")

    def first_offsets(self) -> dict[int, int]:
        """Return where each partition's part of the batch begins."""
        return first_offsets(self.records)

    def next_offsets(self) -> dict[int, int]:
        """Return the next offset of each partition, once the batch is committed."""
        return {partition: record.next_offset for partition, record in self.lasts().items()}

    def lasts(self) -> dict[int, Record]:
        """Return the last record of each partition."""
        return {record.partition: record for record in self.records}


class Output(msgspec.Struct, frozen=True, gc=False):
    """One record to be written in the batch's transaction.

    A partition of None leaves the choice to the key. `trace` is its traceparent, if it has one.
    """

    topic: str
    key: bytes | None
    value: bytes
    partition: int | None
    trace: bytes | None = None


def owner(incarnation: bytes, record: Record) -> bytes:
    """Return a record's owner mark.

    Args:
        incarnation: 4 bytes that distinguish the topic from earlier and later ones of the same name.
        record: its partition and offset are the rest of the mark, 2 and 6 bytes.
    """
    return incarnation + (record.partition << 48 | record.offset).to_bytes(8, "big")


def first_offsets(records: Sequence[Record]) -> dict[int, int]:
    """Return where each partition's part of some records begins."""
    found: dict[int, int] = {}
    for record in records:
        found.setdefault(record.partition, record.offset)
    return found


def firsts(records: Sequence[Record]) -> dict[int, Record]:
    """Return the first record of each partition, in no order."""
    return {record.partition: record for record in reversed(records)}
