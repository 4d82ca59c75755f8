"""The mark of a contact-day or a property that was forgotten (contract, section 6).

A record of segment.rejected without key and value, in the partition of the tombstone that it describes. It is retained
as long as the raw events that still require what was erased, unlike the tombstone, which compaction removes. It
contains only hashes, and nothing of the contact in clear text.
"""

from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple, Self

from schemas import lanes

HEADER_FORGOTTEN: Final = "forgotten"
_IDENTITY_BYTES: Final = 16
_BACKFILL: Final = 1 << 48  # over any offset that a claim has room for


class Thing(StrEnum):
    """What can be forgotten."""

    INTERACTION = "interaction"
    PROPERTY = "property"


class Forgotten(NamedTuple):
    """What a mark says.

    Attributes:
        thing: what was forgotten.
        identity: 16 bytes: of an interaction its id, of a property `property_identity` of its key.
        tombstone: its offset, in the mark's partition of the output topic; later records there came back.
        next_event: the offset after the newest event whose record was erased, in the same partition; plus 2^48 where
            that is an event of segment.backfill.
        timestamp_ms: what that event said.
    """

    thing: Thing
    identity: bytes
    tombstone: int
    next_event: int
    timestamp_ms: int

    def next_place(self, partition: int) -> tuple[int, int]:
        """Return the event's partition, by the numbers of `schemas.lanes`, and `next_event` as an offset there.

        Args:
            partition: of the mark.
        """
        return (lanes.BACKFILL * (self.next_event >= _BACKFILL) + partition, self.next_event % _BACKFILL)

    def packed(self) -> bytes:
        """Return the header's value."""
        return f"{self.thing}:{self.identity.hex()}:{self.tombstone}:{self.next_event}:{self.timestamp_ms}".encode()

    @classmethod
    def unpacked(cls, value: bytes) -> Self | None:
        """Return what a header's value says; None: it is somebody else's."""
        try:
            thing, identity, *numbers = value.decode("ascii").split(":")
            tombstone, next_event, timestamp_ms = map(int, numbers)
            found = cls(Thing(thing), bytes.fromhex(identity), tombstone, next_event, timestamp_ms)
        except ValueError:
            return None
        return found if len(found.identity) == _IDENTITY_BYTES else None


def next_event(partition: int, offset: int) -> int:
    """Return the `next_event` of a mark, from the event's partition (a number of `schemas.lanes`) and its offset."""
    return offset + 1 + _BACKFILL * lanes.is_backfill(partition)


def property_identity(key: bytes) -> bytes:
    """Return 16 bytes that stand for a property: a hash of the key of its records."""
    return blake2b(key, digest_size=_IDENTITY_BYTES).digest()
