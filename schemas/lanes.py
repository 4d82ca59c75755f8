"""The two lanes of raw events, segment.events and segment.backfill, and the one series that numbers their partitions.

Partition p of segment.backfill is number `BACKFILL` + p. So a raw record's coordinates remain two numbers, in claims,
in results and in every command, and those of a live event are what they were before there was a second lane.
"""

from typing import Final

# The highest of the 16 bits that a claim has for a partition: no topic of ours has as many partitions.
BACKFILL: Final = 1 << 15

# Of records of segment.backfill in one batch of a worker: so many after the group's offset may have made claims that
# are not committed yet.
MOST_AT_ONCE: Final = 2_000

_PREFIX: Final = "backfill/"


def is_backfill(partition: int) -> bool:
    """Return whether a number is that of a partition of segment.backfill."""
    return partition >= BACKFILL


def own(partition: int) -> int:
    """Return the number that a partition has in its own topic."""
    return partition & (BACKFILL - 1)


def name(partition: int) -> str:
    """Return how a partition is shown: `3`, or `backfill/3`."""
    return f"{_PREFIX}{own(partition)}" if is_backfill(partition) else str(partition)


def place(partition: int, offset: int) -> str:
    """Return how a raw record's coordinates are shown: `3:17`, or `backfill/3:17`."""
    return f"{name(partition)}:{offset}"


def parsed(text: str) -> tuple[int, int]:
    """Return the partition and the offset that `place` has written.

    Raises:
        ValueError: it has not.
    """
    partition, _, offset = text.removeprefix(_PREFIX).partition(":")
    return int(partition) + (BACKFILL if text.startswith(_PREFIX) else 0), int(offset)
