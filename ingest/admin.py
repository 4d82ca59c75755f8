"""Health and metrics, on a port of their own: GET /livez, /readyz and /metrics (contract, section 2)."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ingest import answers
from ingest.answers import Answer
from ingest.delivery import Readiness
from ingest.exchange import Head, Reply
from ingest.metrics import Metrics

METHODS: Final = (b"GET", b"HEAD")


class Admin:
    """What the admin port answers, an `Application`.

    Args:
        readiness: whether requests should be sent here. Asked each time, so it must be at hand.
        metrics: what to show.
    """

    def __init__(self, readiness: Callable[[], Readiness], metrics: Metrics) -> None:
        self._readiness, self._metrics = readiness, metrics
        self._pages = {b"/livez": _alive, b"/readyz": self._ready, b"/metrics": self._shown}

    def begin(self, head: Head, reply: Reply) -> None:
        """As the port says."""
        page = self._pages.get(head.path)
        if page is None:
            reply(answers.refused(answers.NOT_FOUND))
        elif head.method not in METHODS:
            reply(answers.refused(answers.METHOD_NOT_ALLOWED, (b"allow", b", ".join(METHODS))))
        else:
            reply(page())

    def answered(self, answer: Answer, seconds: float, received: int) -> None:
        """As the port says: nobody counts these."""

    def _ready(self) -> Answer:
        found = self._readiness()
        return answers.json_answer(200 if found.ready else 503, found._asdict())

    def _shown(self) -> Answer:
        text = generate_latest(self._metrics.registry)
        return answers.made(200, "", [(b"content-type", CONTENT_TYPE_LATEST.encode())], text)


def _alive() -> Answer:
    return answers.json_answer(200, {"alive": True})
