"""Whether a sync of an audience runs, and how fast: from how much more it has changed at each look."""

import threading
from collections import OrderedDict, deque
from typing import Final, NamedTuple

_SYNC_MS: Final = 300_000  # a sync that has changed nothing for so long has ended
_WATCHED: Final = 1_000  # audiences


class Sync(NamedTuple):
    """The sync that runs, if one does: changes since the page was first looked at, and how many a minute."""

    is_running: bool
    changes: int = 0
    per_minute: float = 0.0


class Paces:
    """How fast audiences change, from what the looks of the last minutes saw. For use by several threads."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, deque[tuple[int, int]]] = OrderedDict()
        self._lock = threading.Lock()

    def sync(self, key: str, changes: int, at_ms: int) -> Sync:
        """Take note of how many changes an audience has had so far; return what that makes of its sync."""
        with self._lock:
            seen = self._seen.setdefault(key, deque())
            self._seen.move_to_end(key)
            while len(self._seen) > _WATCHED:
                self._seen.popitem(last=False)
            seen.append((at_ms, changes))
            while seen[0][0] < at_ms - _SYNC_MS:
                seen.popleft()
            since, before = seen[0]
        grown, minutes = changes - before, (at_ms - since) / 60_000
        return Sync(grown > 0, max(0, grown), grown / minutes if minutes and grown > 0 else 0.0)
