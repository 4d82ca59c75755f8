"""Rate limits: a token bucket per workspace, in events per second. Pure except for the clock that it is given.

Processes do not communicate: each applies its own share of a workspace's limit, the same in all of them.
"""

import math
import time
from collections.abc import Callable

from schemas.workspace import Workspace


class Bucket:
    """A token bucket: fills at a rate and holds one second's worth, but at least one event.

    While the bucket is not empty a request is admitted, and takes as many tokens as it has events, on credit if need
    be: a batch larger than the bucket is not refused forever, and later requests wait until the debt is repaid.
    """

    __slots__ = ("_at", "_tokens", "per_second")

    def __init__(self, per_second: float, now: float) -> None:
        """Begin with a full bucket. `now` is in seconds, on any clock that never goes back."""
        self.per_second, self._tokens, self._at = per_second, max(1.0, per_second), now

    def take(self, events: int, now: float) -> int:
        """Take this many tokens and return 0, or take none and return the Retry-After in whole seconds."""
        self._fill(now)
        if self._tokens > 0:
            self._tokens -= events
            return 0
        return max(1, math.ceil(-self._tokens / self.per_second))

    def change(self, per_second: float, now: float) -> None:
        """Change the rate from now on."""
        self._fill(now)
        self.per_second = per_second
        self._fill(now)

    def _fill(self, now: float) -> None:
        grown = self._tokens + (now - self._at) * self.per_second
        self._tokens, self._at = min(grown, max(1.0, self.per_second)), now


class Buckets:
    """The buckets of one process, by workspace; a limit that changes counts from the next request on."""

    def __init__(self, processes: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with every bucket full. `processes`: how many share every limit."""
        self._processes, self._clock = processes, clock
        self._buckets: dict[str, Bucket] = {}

    def take(self, workspace: Workspace, events: int) -> int:
        """Take events of a workspace as `Bucket.take` does; to take none is to ask."""
        if workspace.rate_per_second is None:
            self._buckets.pop(workspace.name, None)
            return 0
        per_second, now = workspace.rate_per_second / self._processes, self._clock()
        bucket = self._buckets.get(workspace.name)
        if bucket is None:
            bucket = self._buckets[workspace.name] = Bucket(per_second, now)
        elif bucket.per_second != per_second:
            bucket.change(per_second, now)
        return bucket.take(events, now)
