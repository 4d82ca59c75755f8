"""One request and its answer: the port between `connection`, which implements HTTP, and the application.

A head is passed to `Application.begin`, which answers at once or returns a receiver for the body. An answer may be
given at any time, once. It is sent when the request is complete: most clients read responses only then.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from ingest.http.response import Response

Reply = Callable[[Response], None]


class Head(msgspec.Struct, frozen=True, gc=False):
    """The head of a request.

    Attributes:
        method: in capitals.
        path: as sent, without a query.
        headers: by name in lower case; the last of those that may be repeated.
    """

    method: bytes
    path: bytes
    headers: Mapping[bytes, bytes]


class Receiver(Protocol):
    """Receives the body of one request."""

    def feed(self, data: bytes) -> None:
        """Take a part of the body."""

    def end(self) -> None:
        """The body is complete."""

    def leave(self) -> None:
        """The client left before the body was complete; release what is held."""

    def cut(self, answer: Response) -> None:
        """Learn the same, and give this answer, as one of the application's own."""


class Application(Protocol):
    """Handles the requests of one port."""

    def begin(self, head: Head, reply: Reply) -> Receiver | None:
        """Return who takes the body of a request; None: it was answered."""

    def answered(self, answer: Response, seconds: float, received: int) -> None:
        """Observe every response, including those to malformed requests.

        Args:
            answer: as it is sent.
            seconds: since the first byte of the request.
            received: bytes of its body.
        """
