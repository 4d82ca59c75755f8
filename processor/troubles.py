"""What the driver complains about, said now and then: a broker that is away makes it complain all the time."""

import time
from collections.abc import Callable
from typing import Protocol

import structlog

_AGAIN_S = 10.0

log = structlog.get_logger()


class DriverError(Protocol):
    """The part of the driver's error that is said."""

    def name(self) -> str:
        """Return the code's name."""

    def str(self) -> str:
        """Return the words."""


class Troubles:
    """The complaints of one client."""

    def __init__(self, client: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock
        self._said_at: dict[str, float] = {}

    def note(self, error: DriverError) -> None:
        """Say a complaint, unless the same was said a moment ago. Never raises: it is called by the driver."""
        now, code = self._clock(), error.name()
        if now - self._said_at.get(code, -_AGAIN_S) >= _AGAIN_S:
            self._said_at[code] = now
            log.warning("kafka.troubled", client=self._client, code=code, error=error.str())
