"""What a worker can do, measured while it works off a backlog: an idle one's rate says how little there was to do."""

import time
from collections.abc import Callable
from typing import Final

from processor import metrics

BEHIND: Final = 2_000  # records: so many in one batch say that the worker is behind


class Backlog:
    """Counts full batches that follow one another, and the time from commit to commit."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock, in seconds."""
        self._clock = clock
        self._since: float | None = None

    def committed(self, records: int) -> None:
        """Note that a batch of so many records is committed; 0: nothing was, and no backlog is being worked off."""
        now = self._clock()
        if records < BEHIND:
            self._since = None
            return
        if self._since is not None:
            metrics.BACKLOG_EVENTS.inc(records)
            metrics.BACKLOG_SECONDS.inc(now - self._since)
        self._since = now
