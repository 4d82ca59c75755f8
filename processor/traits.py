"""Which property changes are emitted: the newest wins (contract, section 5). Pure.

A change older than a committed one, or than an earlier one in its batch, is stale whatever Redis says. Each of the
others is newer than the one before it: only the last of a property is sent to Redis, and all are compared with the
previous clock, which that returns. A change that finds its own coordinates was claimed and its transaction lost, or is
being replayed: it is emitted again.
"""

import struct
from collections.abc import Callable, Iterable
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
    """The changes of a batch that may be fresh, and how many are not.

    Invariant: of one property each is newer than the one before it, and none is older than what was committed.
    """

    def __init__(self, newest_ms: Callable[[Property], int]) -> None:
        """Begin a batch; `newest_ms` returns the newest committed timestamp of a property, if known."""
        self._newest_ms, self._last = newest_ms, dict[Property, Update]()
        self.updates: list[Update] = []
        self.stale = 0

    def add(self, record: Record, identify: Identify, owner: Callable[[Record], bytes]) -> None:
        """Take the changes that an event makes."""
        timestamp_ms, last, clock = identify.timestamp_ms, self._last, None
        for change in identify.changes:
            of = property_of(record.workspace, identify.email, change.name)
            before = last.get(of)
            newest_ms = self._newest_ms(of) if before is None else before.clock.timestamp_ms
            if timestamp_ms < newest_ms:
                self.stale += 1
                continue
            if clock is None:
                clock = Clock(timestamp_ms, owner(record))
            if before is not None and timestamp_ms == newest_ms and clock.is_stale(before.clock):
                self.stale += 1
                continue
            update = last[of] = Update(of, clock, change, identify, record)
            self.updates.append(update)

    def clocks(self) -> dict[Property, Clock]:
        """Return the clock that each property of the batch comes to."""
        return {of: update.clock for of, update in self._last.items()}

    def fresh(self, before: Iterable[Clock | None]) -> list[Update]:
        """Return the changes to emit, in the order of the batch.

        Args:
            before: each property's clock before the batch, in the order of `clocks`; None: there was none.
        """
        clocks = dict(zip(self._last, before, strict=True))
        return [
            update
            for update in self.updates
            if (clock := clocks[update.of]) is None
            or update.clock.timestamp_ms > clock.timestamp_ms
            or not update.clock.is_stale(clock)
        ]
