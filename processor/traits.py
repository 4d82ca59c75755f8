"""Which property changes are emitted: the newest wins (contract, section 5). Pure.

A change older than a committed one, or than an earlier one in its batch, is stale whatever Redis says. Of the other
changes of a property only the newest is sent to Redis, which returns the previous clock; they are compared with it one
after the other. A change that finds its own coordinates was claimed and its transaction lost, or is being replayed: it
is emitted again.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NewType, Self, cast

import msgspec

from processor.records import Record
from schemas.identify import Change, Identify

_TIMESTAMP_BYTES, _INCARNATION_BYTES = 8, 4
_TIMESTAMP: Final = struct.Struct(">q")
_pack, _unpack = _TIMESTAMP.pack, _TIMESTAMP.unpack_from

Property = NewType("Property", bytes)
"""What has one newest value: the key of its records in contact.traits, a JSON list, which no name makes ambiguous."""

_json = msgspec.json.encode


def property_of(workspace: str, email: str, name: str) -> Property:
    """Return a contact's property of a name."""
    return cast("Property", _json((workspace, email, name)))


class Clock(msgspec.Struct, frozen=True, gc=False):
    """A property's newest timestamp, in epoch milliseconds, and the owner mark of the record that set it."""

    timestamp_ms: int
    owner: bytes

    def packed(self) -> bytes:
        """Return the clock as Redis keeps it: 8 bytes, big-endian and signed, then the owner."""
        return _pack(self.timestamp_ms) + self.owner

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """Return the clock that Redis keeps."""
        return cls(_unpack(packed)[0], packed[_TIMESTAMP_BYTES:])

    @property
    def is_backfill(self) -> bool:
        """Whether its owner is a record of segment.backfill: by the highest bit of the partition (`schemas.lanes`)."""
        return self.owner[_INCARNATION_BYTES : _INCARNATION_BYTES + 1] >= b"\x80"

    def is_stale(self, before: Self | None) -> bool:
        """Whether a change with this clock is stale after another; the script in `scripts` has the same rule.

        Of equal timestamps the live event wins over one of a backfill, and in one lane the later record: the higher
        offset in one topic, any record of a recreated topic.
        """
        if before is None or self.timestamp_ms != before.timestamp_ms:
            return before is not None and self.timestamp_ms < before.timestamp_ms
        if self.is_backfill != before.is_backfill:
            return self.is_backfill
        same_topic = self.owner[:_INCARNATION_BYTES] == before.owner[:_INCARNATION_BYTES]
        return same_topic and self.owner < before.owner


class Update(msgspec.Struct, frozen=True, gc=False):
    """One property's change, and the event that made it."""

    of: Property
    clock: Clock
    change: Change
    identify: Identify
    record: Record


class Updates:
    """The changes of a batch that may be fresh, and how many are not."""

    def __init__(self, newest_ms: Callable[[Property], int]) -> None:
        """Begin a batch; `newest_ms` returns the newest committed timestamp of a property, if known."""
        self._newest_ms, self._seen_ms = newest_ms, dict[Property, int]()
        self.updates: list[Update] = []
        self.stale = 0

    def add(self, record: Record, identify: Identify, owner: Callable[[Record], bytes]) -> None:
        """Take the changes that an event makes."""
        timestamp_ms, seen_ms, clock = identify.timestamp_ms, self._seen_ms, None
        for change in identify.changes:
            of = property_of(record.workspace, identify.email, change.name)
            newest_ms = seen_ms.get(of)
            if timestamp_ms < (self._newest_ms(of) if newest_ms is None else newest_ms):
                self.stale += 1
                continue
            seen_ms[of] = timestamp_ms
            if clock is None:
                clock = Clock(timestamp_ms, owner(record))
            self.updates.append(Update(of, clock, change, identify, record))


def newest(updates: Sequence[Update]) -> dict[Property, Clock]:
    """Return the clock that each property of a batch comes to."""
    clocks: dict[Property, Clock] = {}
    for update in updates:
        of, clock = update.of, update.clock
        before = clocks.get(of)
        if before is None or not clock.is_stale(before):
            clocks[of] = clock
    return clocks


def fresh(updates: Sequence[Update], before: Mapping[Property, Clock | None]) -> list[Update]:
    """Return the changes to emit, in the order of the batch.

    Args:
        updates: a batch's changes.
        before: each property's clock as it was before the batch; None: there was none.
    """
    clocks, emitted = dict(before), []
    for update in updates:
        of, clock = update.of, update.clock
        last = clocks[of]
        if last is None or not clock.is_stale(last):
            clocks[of] = clock
            emitted.append(update)
    return emitted
