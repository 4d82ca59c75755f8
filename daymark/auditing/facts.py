"""Facts: what is kept of a record until it is judged.

Each kind has a fixed size, begins with its key, and sorts as bytes: events before their results, in the order of their
partition.

A field is kept as a fingerprint, four bytes of its hash: enough to know which field differs, without personal data on
disk. Hashes are keyed per process, so facts are useless after a run.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from struct import Struct
from typing import Any, Final, NamedTuple

_PRINT_BYTES = 4
_PRINT = (1 << 8 * _PRINT_BYTES) - 1

INTERACTION_FIELDS: Final = (
    "interaction_id",
    "workspace",
    "email",
    "day",
    "timestamp",
    "description",
    "described_by",
    "url",
    "event",
    "message_id",
    "received_at",
    "key",
    "partition",
)
REJECTION_FIELDS: Final = ("reason", "workspace", "raw", "received_at", "key")
TRAIT_FIELDS: Final = ("value", "kind", "membership", "timestamp", "message_id", "received_at", "key")

_MOST_FIELDS = max(map(len, (INTERACTION_FIELDS, REJECTION_FIELDS, TRAIT_FIELDS)))


class Kind(IntEnum):
    """The subject of a fact: an acceptable event, an invalid one, a record that resulted from one, or an erasure."""

    EVENT = 0
    REJECTION = 1
    INTERACTION = 2
    REJECTED = 3
    TRAIT = 4
    FORGOTTEN = 5  # `at` is the tombstone's offset; `offset` follows the newest event whose record was erased


class DayFact(NamedTuple):
    """Judged by contact-day. `identity` is the interaction's id; `content` distinguishes records."""

    identity: bytes
    kind: int
    partition: int
    offset: int
    content: int = 0
    at_partition: int = 0
    at_offset: int = 0


class SourceFact(NamedTuple):
    """Judged by the event's coordinates. `prints` are of the fields of the result, actual or required."""

    partition: int
    offset: int
    kind: int
    prints: bytes
    at_partition: int = 0
    at_offset: int = 0


class PropertyFact(NamedTuple):
    """Judged by workspace, contact and property; `identity` is a hash of them."""

    identity: bytes
    kind: int
    partition: int
    offset: int
    timestamp_ms: int
    prints: bytes
    at_partition: int = 0
    at_offset: int = 0


class Layout(NamedTuple):
    """The layout of a kind of fact in its file: facts are judged by their first `key_bytes`."""

    name: str
    row: Struct
    key_bytes: int


DAYS: Final = Layout("days", Struct(">16sBiqQiq"), 16)
SOURCES: Final = Layout("sources", Struct(f">iqB{_MOST_FIELDS * _PRINT_BYTES}siq"), 12)
PROPERTIES: Final = Layout("properties", Struct(f">16sBiqq{len(TRAIT_FIELDS) * _PRINT_BYTES}siq"), 16)

_PACK = {count: Struct(f">{count}I").pack for count in range(1, _MOST_FIELDS + 1)}


def prints(values: Sequence[Any]) -> bytes:
    """Return the fingerprints of fields, each of which has one type (or is None): to Python, 1 equals True."""
    return _PACK[len(values)](*[hash(value) & _PRINT for value in values])


def differing(fields: Iterable[str], one: bytes, other: bytes) -> tuple[str, ...]:
    """Return the names of the fields whose fingerprints differ."""
    return tuple(
        name
        for name, start in zip(fields, range(0, len(one), _PRINT_BYTES), strict=False)
        if one[start : start + _PRINT_BYTES] != other[start : start + _PRINT_BYTES]
    )


def content(printed: bytes) -> int:
    """Return one number for all fingerprints of a record."""
    return hash(printed) & (1 << 64) - 1
