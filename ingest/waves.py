"""Requests on their way to Kafka: who waits for which records, and which of them are held back for the next wave.

librdkafka sends no further request of a partition while five *messages* of an idempotent producer are in flight, and
its thread polls without a pause once what waits behind them has lingered (findings/idempotent-producer-spins.sh): one
core at 5,000 events/s that are acknowledged after 10 ms. So what comes meanwhile waits here, and leaves together.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from ingest.delivery import Done, Record
from schemas.headers import Headers

FEW: Final = 16  # messages in flight: then hardly a partition has five
_HELD_SECONDS: Final = 0.1  # no longer: a partition without a leader must not keep records from the others


class Waiter(msgspec.Struct, eq=False, gc=False):
    """The records of one request, counted down as they are acknowledged."""

    topic: str
    workspace: str
    left: int
    messages: int
    size: int
    deadline: float
    done: Done | None  # the waiting caller; None once it has been called
    told: Callable[["Waiter", Any], None]  # with the driver's error, or None

    def delivered(self, error: Any, _message: Any) -> None:
        """Count a record: the driver's delivery report, with its error or None."""
        self.left -= 1
        if error is not None or not self.left:
            self.told(self, error)


Departure = tuple[Waiter, Sequence[Record], Headers]


class Waves:
    """What is held back, in its order."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin empty. `clock`: seconds, monotonic."""
        self._clock = clock
        self._held: list[Departure] = []
        self._until = 0.0

    def holds(self, in_flight: int) -> bool:
        """Whether the next one is to be held back: others are, or too many messages are in flight."""
        return in_flight >= FEW or bool(self._held)

    def hold(self, departure: Departure) -> None:
        """Hold one back."""
        if not self._held:
            self._until = self._clock() + _HELD_SECONDS
        self._held.append(departure)

    def due(self, in_flight: int) -> Sequence[Departure]:
        """Return those that may go now, which are held back no more: all or none."""
        if not self._held or (in_flight >= FEW and self._clock() < self._until):
            return ()
        held, self._held = self._held, []
        return held
