"""The last hour of figures, kept in memory: a look every few seconds."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from timeline.web.sources import Moment, Unavailable

HOUR_MS: Final = 3_600_000


class History:
    """Looks by itself, in a thread of its own, until it is closed."""

    def __init__(self, look: Callable[[], Moment], every_s: float = 5.0) -> None:
        self._look, self._every_s = look, every_s
        self._moments: deque[Moment] = deque(maxlen=int(HOUR_MS / 1000 / every_s))
        self._trouble: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="figures", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking; waits for the look that is under way."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(self._every_s)

    def moments(self) -> Sequence[Moment]:
        """Return what was seen in the last hour, the oldest first.

        Raises:
            Unavailable: there is nothing to look at.
        """
        if self._trouble is not None:
            raise Unavailable(self._trouble)
        oldest = time.time_ns() // 1_000_000 - HOUR_MS
        return [each for each in [*self._moments] if each.at_ms >= oldest]

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._moments.append(self._look())
                self._trouble = None
            except Unavailable as error:
                self._trouble = str(error)
            self._ended.wait(self._every_s)
