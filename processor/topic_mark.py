"""A topic's mark of incarnation, looked at now and then: a topic that was made again has other records."""

import time
from collections.abc import Callable
from typing import Final

from processor.errors import SessionLost

_ASK_EVERY_S: Final = 1.0


class TopicMark:
    """The mark of one topic, for one session."""

    def __init__(self, ask: Callable[[], bytes | None]) -> None:
        """Begin without one; `ask` returns it, None while there is no such topic or nobody answers."""
        self._ask = ask
        self.value: bytes | None = None
        self.asked_at = -_ASK_EVERY_S

    def look(self) -> None:
        """Learn it, or see that it is the same, unless that was done a moment ago.

        Raises:
            SessionLost: the topic was deleted and recreated.
        """
        now = time.monotonic()
        if self.value is not None and now - self.asked_at < _ASK_EVERY_S:
            return
        found = self._ask()
        self.asked_at = now
        if found is not None and self.value not in {None, found}:
            raise SessionLost("the topic was deleted and recreated")
        self.value = found or self.value

    def expire(self) -> None:
        """Ask at the next look."""
        self.asked_at = -_ASK_EVERY_S
