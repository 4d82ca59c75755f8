"""The topics: names, keys, partitions and cleanup policies (contract, section 6)."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

PARTITIONER: Final = "murmur2_random"  # as Java clients partition, so that joins line up
PARTITIONS: Final = 12

MESSAGE_LIMIT: Final = "max.message.bytes"  # Kafka's setting of a topic: the longest batch, as it is compressed
BATCH_BYTES: Final = 1_000_000  # librdkafka's `batch.size`, unless a topic takes less
# What any event, of 32 KiB at most, can become in any topic, with what a batch adds.
LEAST_MESSAGE_BYTES: Final = 96 * 1024

LEAST_BATCH_BYTES: Final = 1024  # of a `batch.size`: under it every batch is one record
_BATCH_HEAD_BYTES: Final = 1024  # over the 61 of a batch's head, and what its compression may add
_DAY_MS = 86_400_000


class Topic(msgspec.Struct, frozen=True):
    """A topic as it should be. `partitions` applies when it is created; `settings` have Kafka's names."""

    name: str
    partitions: int
    settings: Mapping[str, str]


class Topics(msgspec.Struct, frozen=True):
    """The names of one Daymark's topics, all behind one prefix."""

    prefix: str = ""

    @property
    def events(self) -> str:
        """Raw events as received."""
        return f"{self.prefix}segment.events"

    @property
    def backfill(self) -> str:
        """Raw events of a backfill, which wait for live ones. Optional."""
        return f"{self.prefix}segment.backfill"

    @property
    def rejected(self) -> str:
        """Dead letters: rejected events with their reason."""
        return f"{self.prefix}segment.rejected"

    @property
    def interactions(self) -> str:
        """One interaction per contact per day."""
        return f"{self.prefix}timeline.interactions"

    @property
    def traits(self) -> str:
        """The newest value of each user property."""
        return f"{self.prefix}contact.traits"

    def all(self, *, lane: bool = False) -> tuple[Topic, ...]:
        """Return each topic as it should be; `lane`: with that of a backfill."""
        return (
            *([Topic(self.backfill, PARTITIONS, _deleted_after(30))] if lane else []),
            Topic(self.events, PARTITIONS, _deleted_after(30)),
            Topic(
                self.interactions, PARTITIONS, {"cleanup.policy": "compact,delete", "retention.ms": str(90 * _DAY_MS)}
            ),
            Topic(self.traits, PARTITIONS, {"cleanup.policy": "compact"}),
            Topic(self.rejected, PARTITIONS, _deleted_after(30)),
        )


def batch_bytes(limits: Iterable[int], most: int = BATCH_BYTES) -> int:
    """Return the `batch.size` with which batches fit all of some topics.

    Args:
        limits: each topic's `max.message.bytes`.
        most: what it may be at most.
    """
    return max(1, min([most, *(limit - min(_BATCH_HEAD_BYTES, limit // 2) for limit in limits)]))


def low_limit(name: str, limit: int) -> str | None:
    """Return what cannot work with a topic's limit; None: every event fits."""
    if limit >= LEAST_MESSAGE_BYTES:
        return None
    return (
        f"{MESSAGE_LIMIT} of {name} is {limit}: large events do not fit; set at least {LEAST_MESSAGE_BYTES} "
        "(batches are made smaller in the meantime)"
    )


def _deleted_after(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS)}
