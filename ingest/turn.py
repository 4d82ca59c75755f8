"""One request's place in the order of a connection's answers: from its head until its answer may be sent."""

from collections.abc import Callable
from typing import Final

from ingest.answers import Answer
from ingest.exchange import Application, Head, Intake

# A refused request is read to its end before the answer, as most clients look for one only then and take a closed
# connection for a fault worth repeating. RudderStack's SDK sends up to 4 MB; past this the connection is cut.
DISCARD_LIMIT_BYTES: Final = 8 * 1024 * 1024


class Turn:
    """One request and its answer.

    Attributes:
        answer: to be sent now; None while the request is not whole or nobody has answered.
        last: no other request is taken on this connection.
        awaits_word: the client sends the body only when told to.
        without_body: the answer's head alone is wanted.
        received: bytes of the body.
    """

    __slots__ = (
        *("_app", "_began", "_flush", "_found", "_intake", "_left", "_whole"),
        *("answer", "awaits_word", "last", "received", "without_body"),
    )

    def __init__(self, app: Application, flush: Callable[[], None], began: float) -> None:
        """Begin one. `flush` is called when there is an answer to send, `began` is on the loop's clock."""
        self._app, self._flush, self._began = app, flush, began
        self._intake: Intake | None = None
        self._found: Answer | None = None  # what will be answered once the request is whole
        self.answer: Answer | None = None
        self._whole = self.last = self.awaits_word = self.without_body = False
        self.received, self._left = 0, DISCARD_LIMIT_BYTES

    @property
    def is_refused(self) -> bool:
        """Whether the answer is known and the rest of the body of no use."""
        return self._found is not None

    def begin(self, head: Head) -> None:
        """Ask for an answer."""
        self._intake = self._app.begin(head, self.reply)

    def feed(self, data: bytes) -> bool:
        """Take a part of the body; false when nobody wants it and it is too much to be thrown away."""
        self.received += len(data)
        if self._intake is not None:
            self._intake.feed(data)
            return True
        self._left -= len(data)
        return self._left >= 0

    def end(self) -> None:
        """The body is whole."""
        self._whole = True
        if self._intake is not None:
            self._intake.end()
        elif self._found is not None:
            self._send(self._found)

    def cut(self, answer: Answer) -> None:
        """The request will never be whole: answer now, unless it was refused already with the refusal."""
        self.leave()
        self._send(self._found or answer)

    def leave(self) -> None:
        """Let go of what was read."""
        if self._intake is not None:
            self._intake.leave()
            self._intake = None

    def reply(self, answer: Answer) -> None:
        """Take the answer."""
        self._intake, self._found = None, answer
        if self._whole:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        self.answer = answer
        self._app.answered(answer, self._began, self.received)
        self._flush()
