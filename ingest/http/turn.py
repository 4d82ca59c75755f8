"""One request's place in the order of a connection's answers: from its head until its answer may be sent."""

from collections.abc import Callable
from typing import Final

import msgspec

from ingest.http.exchange import Application, Head, Receiver
from ingest.http.response import Response

# A refused request is read to its end before the answer, as most clients look for one only then and take a closed
# connection for a fault worth repeating. RudderStack's SDK sends up to 4 MB; past this the connection is cut.
DISCARD_LIMIT_BYTES: Final = 8 * 1024 * 1024


class Turn(msgspec.Struct, eq=False):
    """One request and its answer. Tracked by the collector, since it forms a reference cycle with its receiver.

    Attributes:
        flush: called when the answer may be sent.
        began: when its first byte came, on the loop's clock.
        last: no other request is taken on this connection.
        awaits_word: the client sends the body only after 100 Continue.
        without_body: the answer's head alone is wanted.
        is_whole: there is no more of it to come.
        received: bytes of the body.
        answer: once somebody has answered. It may be sent when the request is whole.
    """

    flush: Callable[[], None]
    began: float
    last: bool = False
    awaits_word: bool = False
    without_body: bool = False
    is_whole: bool = False
    received: int = 0
    answer: Response | None = None
    _receiver: Receiver | None = None
    _left: int = DISCARD_LIMIT_BYTES

    def begin(self, app: Application, head: Head) -> None:
        """Ask for an answer."""
        self._receiver = app.begin(head, self.reply)

    def feed(self, data: bytes) -> bool:
        """Take a part of the body; false when it is unwanted and too large to discard."""
        self.received += len(data)
        if self._receiver is not None:
            self._receiver.feed(data)
            return True
        self._left -= len(data)
        return self._left >= 0

    def end(self) -> None:
        """The body is complete."""
        self.is_whole = True
        if self._receiver is not None:
            self._receiver.end()
        else:
            self.flush()

    def cut(self, answer: Response) -> None:
        """The request will never be complete: answer with the refusal now, unless it was already answered."""
        self.is_whole = True
        if self._receiver is not None:
            self._receiver.cut(answer)
        else:
            self.reply(self.answer or answer)

    def leave(self) -> None:
        """Release what was read."""
        if self._receiver is not None:
            self._receiver.leave()
            self._receiver = None

    def reply(self, answer: Response) -> None:
        """Take the answer."""
        self._receiver, self.answer = None, answer
        if self.is_whole:
            self.flush()
