"""What ingest requires of tracing: the port between `app` and what knows OpenTelemetry (`daymark.tracing`).

Only sampled requests have a span. Of the others nothing is recorded, and a traceparent that they bring is passed on.
"""

from typing import Protocol


class Span(Protocol):
    """A request that is sampled, and the publishing of its events."""

    def publish(self, records: int) -> bytes:
        """Begin to publish so many records, and return the traceparent that they are to carry."""

    def published(self, *, is_delivered: bool) -> None:
        """Note that publishing has come to its end, well or not."""

    def end(self, status: int) -> None:
        """Note that the request is answered with an HTTP status."""


class Tracing(Protocol):
    """The traces of one process."""

    def begin(self, path: bytes, sent: bytes | None) -> Span | None:
        """Return the span of a request; None: it is not sampled.

        Args:
            path: of the request.
            sent: its traceparent, valid or not; None: it has none.
        """

    def close(self) -> None:
        """Export what is left, within a few seconds."""
