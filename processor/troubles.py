"""The driver's error messages, logged at intervals: an unreachable broker produces them all the time."""

import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

_FIRST_S, _LONGEST_S = 10.0, 300.0

log = structlog.get_logger()


class DriverError(Protocol):
    """The part of the driver's error that is said."""

    def name(self) -> str:
        """Return the code's name."""

    def str(self) -> str:
        """Return the words."""


class Pace:
    """When to log again what stays true: at once, then at doubling intervals; after a quiet time from the start."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was said yet. `clock`: seconds, monotonic."""
        self._clock = clock
        self._due: dict[str, tuple[float, float]] = {}  # when next, and the interval before it

    def is_due(self, what: str) -> bool:
        """Whether it is time to log this; asking counts as logging it when it is."""
        now = self._clock()
        due_at, interval_s = self._due.get(what, (now, 0.0))
        if now < due_at:
            return False
        if now - due_at > _LONGEST_S:
            interval_s = 0.0
        interval_s = min(max(_FIRST_S, 2 * interval_s), _LONGEST_S)
        self._due[what] = now + interval_s, interval_s
        return True


# Clients come and go while Kafka is unavailable, each with the same complaints.
_OF_THE_PROCESS: Final = Pace()


class Troubles:
    """The error messages of one client."""

    def __init__(self, client: str, pace: Pace = _OF_THE_PROCESS) -> None:
        self._client, self._pace = client, pace

    def note(self, error: DriverError) -> None:
        """Log an error message, unless the same was logged recently. Never raises: it is called by the driver."""
        code = error.name()
        if self._pace.is_due(f"{self._client} {code}"):
            log.warning("kafka.troubled", client=self._client, code=code, error=error.str())
