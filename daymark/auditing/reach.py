"""The range of an audit: the offsets of segment.events that are read in each partition, and what lies outside."""

from collections.abc import Mapping
from enum import Enum, auto

import msgspec

from schemas import lanes


class Where(Enum):
    """Where an event lies: in the range, before it, after it, or nowhere at all."""

    WITHIN = auto()
    BEFORE = auto()
    AFTER = auto()
    NOWHERE = auto()


class Stretch(msgspec.Struct, frozen=True):
    """The offsets of a partition that are read, from `first` to before `next`; the partition ends before `end`.

    `lag` counts the events that the group has yet to commit, `unread` those deleted before it could commit them.
    """

    first: int
    next: int
    end: int
    lag: int = 0
    unread: int = 0

    @property
    def records(self) -> int:
        """The number of offsets that are read."""
        return self.next - self.first

    def since(self, offset: int) -> "Stretch":
        """Return the part that begins at an offset, or where it began if that is later."""
        first = max(self.first, offset)
        return msgspec.structs.replace(self, first=first, next=max(first, self.next))


class Reach(msgspec.Struct, frozen=True):
    """All stretches, by partition."""

    stretches: Mapping[int, Stretch]

    def where(self, partition: int, offset: int) -> Where:
        """Return where an event lies. One beyond the end of its partition, or in an unknown partition, is nowhere.

        The topic of a backfill that is over may have been deleted: its events lie before what is read.
        """
        stretch = self.stretches.get(partition)
        if stretch is None and lanes.is_backfill(partition):
            return Where.BEFORE
        if stretch is None or offset < 0 or offset >= stretch.end:
            return Where.NOWHERE
        if offset < stretch.first:
            return Where.BEFORE
        return Where.WITHIN if offset < stretch.next else Where.AFTER

    @property
    def records(self) -> int:
        """The number of events that are read."""
        return sum(stretch.records for stretch in self.stretches.values())

    @property
    def lag(self) -> int:
        """The number of events that the group has yet to commit."""
        return sum(stretch.lag for stretch in self.stretches.values())

    @property
    def unread(self) -> int:
        """The number of events that were deleted before the group could read them."""
        return sum(stretch.unread for stretch in self.stretches.values())


def stretch(
    there: tuple[int, int], committed: int | None, since: int | None = None, until: int | None = None
) -> Stretch:
    """Return what is read of a partition.

    Args:
        there: its first offset, and the one after its last.
        committed: the group's offset, None when it has none.
        since: the first offset of the time range, None: no bound.
        until: the offset after its last, None: no bound.
    """
    begin, end = there
    upto = begin if committed is None else min(committed, end)
    first = max(begin, begin if since is None else since)
    last = max(first, upto if until is None else min(upto, until))
    return Stretch(first, last, end, lag=end - max(upto, begin), unread=max(0, begin - upto))
