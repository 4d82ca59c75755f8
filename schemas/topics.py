"""The topics: names, keys, partitions and clean-up (contract, section 6)."""

from collections.abc import Mapping
from typing import Final

import msgspec

HEADER_WORKSPACE: Final = "workspace"
HEADER_RECEIVED_AT: Final = "received_at"  # epoch milliseconds, as digits
PARTITIONER: Final = "murmur2_random"  # as Java clients partition, so that joins line up
PARTITIONS: Final = 12

_DAY_MS = 86_400_000


class Topic(msgspec.Struct, frozen=True):
    """A topic as it should be. `partitions` is what it gets when it is made; `settings` are Kafka's names."""

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
    def rejected(self) -> str:
        """Events that could not be taken, with their reason."""
        return f"{self.prefix}segment.rejected"

    @property
    def interactions(self) -> str:
        """One interaction per contact per day."""
        return f"{self.prefix}timeline.interactions"

    @property
    def traits(self) -> str:
        """The newest value of each user property."""
        return f"{self.prefix}contact.traits"

    def all(self) -> tuple[Topic, ...]:
        """Return each topic as it should be."""
        return (
            Topic(self.events, PARTITIONS, _deleted_after(30)),
            Topic(
                self.interactions, PARTITIONS, {"cleanup.policy": "compact,delete", "retention.ms": str(90 * _DAY_MS)}
            ),
            Topic(self.traits, PARTITIONS, {"cleanup.policy": "compact"}),
            Topic(self.rejected, PARTITIONS, _deleted_after(30)),
        )


def _deleted_after(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS)}
