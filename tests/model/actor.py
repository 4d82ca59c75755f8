"""A worker on a thread that runs only when asked to: one thread runs at a time, so runs are reproducible."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

from tests.turns import Answer, Turns

_STUCK_S = 60.0  # longer than any run between two calls


class Crashed(BaseException):
    """The process is no more: nothing that it would still do takes effect."""


class Actor:
    """Runs a body up to its next call, which waits for its answer."""

    def __init__(self, body: Callable[[Turns], None]) -> None:
        self.call: str | None = None  # what it is about to do; None: it came to its end
        self.error: BaseException | None = None
        self._body = body
        self._answers: SimpleQueue[Answer | None] = SimpleQueue()
        self._calls: SimpleQueue[str | None] = SimpleQueue()
        self._is_dead = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._listen()

    def go_on(self, answer: Answer) -> None:
        """Let it make its call, and run to the next."""
        self._answers.put(answer)
        self._listen()

    def crash(self) -> None:
        """End it where it is."""
        if self.call is not None:
            self._answers.put(None)
            self._listen()

    def next(self, call: str) -> Answer:
        """Hand over, on its own thread, until the call is answered."""
        if not self._is_dead:
            self._calls.put(call)
            answer = self._answers.get()
            if answer is not None:
                return answer
            self._is_dead = True
        raise Crashed

    def _listen(self) -> None:
        self.call = self._calls.get(timeout=_STUCK_S)
        if self.call is None:
            self._thread.join(_STUCK_S)

    def _run(self) -> None:
        try:
            self._body(self)
        except Crashed:
            pass
        except BaseException as error:  # noqa: BLE001  whatever it is, the model judges it
            self.error = error
        self._calls.put(None)
