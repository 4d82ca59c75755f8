"""A group's offsets, checked every second: how far its work can be judged, and where it was reset."""

from collections.abc import Mapping


class Resets:
    """The furthest offset of a group in each partition, and the ranges over which it was reset.

    A group can be reset only when it has no members, and its workers take seconds to join: a check every second sees
    it.
    """

    def __init__(self, stands: Mapping[int, int]) -> None:
        """Begin with the group's current offsets."""
        self.furthest = dict(stands)
        self._last = dict(stands)
        self._again: dict[int, list[tuple[int, int]]] = {}

    def look(self, stands: Mapping[int, int]) -> int:
        """Record the group's current offsets; return in how many partitions it was reset."""
        back = 0
        for partition, stand in stands.items():
            last = self._last.get(partition, stand)
            if stand < last:
                back += 1
                self._again.setdefault(partition, []).append((stand, last))
            self._last[partition] = stand
            self.furthest[partition] = max(stand, self.furthest.get(partition, stand))
        return back

    def covers(self, partition: int, offset: int) -> bool:
        """Whether an event may be emitted again: the group was reset to it, or before it."""
        return any(first <= offset < upto for first, upto in self._again.get(partition, ()))
