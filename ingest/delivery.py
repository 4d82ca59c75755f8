"""What ingest requires of a delivery: the port between `app` and `publisher`.

tests/ingest/test_publisher.py runs the same tests on the fake and on the real implementation.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

from schemas.headers import Headers

Record = tuple[bytes, bytes]  # key, value


class Outcome(Enum):
    """The outcome of publishing the records of one request."""

    DELIVERED = "delivered"  # every in-sync replica has every record
    FULL = "full"  # nothing was published: there is no room
    UNREADY = "unready"  # nothing was published: the topics have not been seen
    FAILED = "failed"  # some may have been published
    LATE = "late"  # the deadline has passed; Kafka may still take them


Done = Callable[[Outcome], None]


class Readiness(NamedTuple):
    """Whether Kafka answers and has the topics, and if not, why, in words for an operator."""

    ready: bool
    reason: str


class Delivery(Protocol):
    """Delivers events and rejections of the API."""

    @property
    def readiness(self) -> Readiness:
        """What was found a few seconds ago at most."""

    @property
    def failure(self) -> str | None:
        """Why nothing will ever be delivered again by this process; None while there is hope."""

    def has_room(self, workspace: str) -> bool:
        """Whether the queue has space for a small request of a workspace; checked before any work is done for it."""

    def reserve(self, workspace: str, messages: int, size: int) -> bool:
        """Reserve queue space for a batch that is about to be read; return whether there is any.

        Args:
            workspace: whose batch it is.
            messages: that it may come to.
            size: bytes, about.
        """

    def release(self, workspace: str, messages: int, size: int) -> None:
        """Release what was reserved: the batch is about to be published, or will not be."""

    def publish(self, workspace: str, records: Sequence[Record], headers: Headers, deadline: float, done: Done) -> None:
        """Publish the events of one request, all or (except for faults of Kafka) none.

        Args:
            workspace: whose they are. None has more of the queue than is left free: FULL may be for it alone.
            records: key and value of each.
            headers: of each record.
            deadline: on the event loop's clock, in seconds; after it the outcome is LATE.
            done: called with the outcome, once, now or later.
        """

    def reject(self, workspace: str, values: Sequence[bytes]) -> None:
        """Record refused events, without waiting and only while there is plenty of room.

        Args:
            workspace: whose they are.
            values: `RejectedEvent`s, encoded.
        """

    async def close(self, seconds: float) -> None:
        """Wait for messages in flight, then release the producer. Returns within the given time."""
