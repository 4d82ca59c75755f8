"""Where a group stands, looked at every second: how far its work can be judged, and where it was set back."""

from collections.abc import Mapping


class Resets:
    """The furthest that a group has come in each partition, and from where to where it was set back.

    A group that is set back has no members, and its workers take seconds to join: a look every second meets it.
    """

    def __init__(self, stands: Mapping[int, int]) -> None:
        """Begin where the group stands."""
        self.furthest = dict(stands)
        self._last = dict(stands)
        self._again: dict[int, list[tuple[int, int]]] = {}

    def look(self, stands: Mapping[int, int]) -> int:
        """Take note of where the group stands now; return in how many partitions it was set back."""
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
        """Whether an event may come again: the group was set back to it, or before it."""
        return any(first <= offset < upto for first, upto in self._again.get(partition, ()))
