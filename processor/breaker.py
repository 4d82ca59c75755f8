"""Stops a worker that would reject nearly everything (contract, section 7)."""

import time
from collections import deque
from collections.abc import Callable

from processor.errors import Fatal

_WINDOW_S = 60.0


class Breaker:
    """Watches the share of rejected records over the last minute."""

    def __init__(self, percent: int, least: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Set the limits.

        Args:
            percent: more than this share of rejected records stops the worker.
            least: records within a minute before the share means anything.
            clock: seconds, monotonic.
        """
        self._percent, self._least, self._clock = percent, least, clock
        self._seen: deque[tuple[float, int, int]] = deque()

    def check(self, records: int, rejected: int) -> None:
        """Look at a batch before it is committed.

        Raises:
            Fatal: with this batch the minute's share is over the limit. The batch must not be committed.
        """
        while self._seen and self._seen[0][0] < self._clock() - _WINDOW_S:
            self._seen.popleft()
        total = records + sum(seen for _, seen, _ in self._seen)
        refused = rejected + sum(seen for _, _, seen in self._seen)
        if total >= self._least and refused * 100 > total * self._percent:
            raise Fatal(
                f"{refused} of {total} records of the last minute would be rejected: a wrong format or a broken "
                "deployment is likelier than bad events. See `daymark rejected`; the limit is DAYMARK_REJECTED_PERCENT"
            )

    def note(self, records: int, rejected: int) -> None:
        """Count a batch that was committed."""
        self._seen.append((self._clock(), records, rejected))
