"""What one client must do by when: send its requests, take its answers, and stop sending after the last one.

Knows no socket and no requests. Instants are seconds on the loop's clock, and are arguments: nothing here waits.
"""

from typing import Final, NamedTuple

REQUEST_SECONDS: Final = 4.0  # for a head to arrive; within as many a body must bring what the minimum rate asks for
UNREAD_SECONDS: Final = 10.0  # within which a client must take what the same rate asks for, of answers sent to it
LINGER_SECONDS, SILENCE_SECONDS = 30.0, 5.0  # of reading on after the last answer: at most, and with nothing coming
LINGER_BYTES: Final = 16 * 1024 * 1024  # as above

_NEVER: Final = float("inf")


class Patience(NamedTuple):
    """How long clients are waited for.

    Attributes:
        keep_alive_s: since the last request of a connection began, or since it was opened. Longer than load balancers
            keep theirs (Google 600 s, Envoy 1 h): who closes first does not send into a closed connection.
        bytes_s: the minimum rate at which a body must arrive and answers must be taken.
    """

    keep_alive_s: float = 3_660
    bytes_s: float = 1_024


PATIENT: Final = Patience()


class Deadlines:
    """The deadlines of one connection.

    Attributes:
        sent: bytes of answers that were handed to the transport. The caller counts them.
    """

    def __init__(self, patience: Patience) -> None:
        self._keep_alive_s, bytes_s = patience
        self._body_quota, self._answer_quota = int(REQUEST_SECONDS * bytes_s), int(UNREAD_SECONDS * bytes_s)
        self._due, self._body_due = _NEVER, 0  # when the client must have sent more, and how many bytes of a body
        self.sent = 0
        self._taken_due, self._taken = _NEVER, 0  # when it must have taken answers, and how many bytes of them in all
        self._linger_due, self._linger_left = _NEVER, 0  # of what is discarded after the last answer

    def clear(self) -> None:
        """Await nothing: the client has sent all it may for now."""
        self._due = _NEVER

    def await_request(self, began: float) -> None:
        """Await the next request of an idle connection, whose last one began at an instant."""
        self._due = began + self._keep_alive_s

    def await_first_line(self, now: float) -> None:
        """Await a request after the line breaks that may precede one; more of them bring no more time."""
        self._due = min(self._due, now + REQUEST_SECONDS)

    def await_head(self, began: float) -> None:
        """Await the rest of a head whose first byte came at an instant."""
        self._due = began + REQUEST_SECONDS

    def begin_body(self) -> None:
        """Start the measure of the next body."""
        self._body_due = 0

    def await_body(self, now: float, received: int) -> None:
        """Await the rest of a body of which so many bytes are here. What exceeds the rate is not credited for later."""
        if received >= self._body_due or self._due == _NEVER:
            self._due = now + REQUEST_SECONDS
            self._body_due = received + self._body_quota

    def await_end(self, now: float) -> None:
        """Await the end of what a client sends after its last answer."""
        self._linger_left, self._linger_due = LINGER_BYTES, now + LINGER_SECONDS
        self.discard(now, 0)

    def discard(self, now: float, size: int) -> bool:
        """Count bytes that came after the last answer; false: they are too many."""
        self._linger_left -= size
        self._due = min(self._linger_due, now + SILENCE_SECONDS)
        return self._linger_left >= 0

    def is_past(self, now: float) -> bool:
        """Return whether the client should have sent more."""
        return now >= self._due

    def are_answers_stuck(self, now: float, unsent: int) -> bool:
        """Return whether the client takes its answers too slowly, when so many bytes of them are still here."""
        taken = self.sent - unsent
        if not unsent:
            self._taken_due = _NEVER
        elif self._taken_due == _NEVER or taken >= self._taken:
            self._taken_due, self._taken = now + UNREAD_SECONDS, taken + self._answer_quota
        return now >= self._taken_due
