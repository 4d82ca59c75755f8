"""Health and metrics, on a port of their own: GET /livez, /readyz and /metrics (contract, section 2)."""

from collections.abc import Awaitable, Callable
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ingest import answers
from ingest.answers import Answer, Header
from ingest.app import Scope, Send
from ingest.body import Incoming, Receive
from ingest.delivery import Readiness
from ingest.metrics import Metrics

METHODS: Final = ("GET", "HEAD")


def admin(readiness: Callable[[], Readiness], metrics: Metrics) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return the ASGI application of the admin port.

    Args:
        readiness: whether requests should be sent here. Asked each time, so it must be at hand.
        metrics: what to show.
    """

    def ready() -> Answer:
        found = readiness()
        return answers.json_answer(200 if found.ready else 503, found._asdict())

    def shown() -> Answer:
        text = generate_latest(metrics.registry)
        headers: tuple[Header, ...] = (
            (b"content-type", CONTENT_TYPE_LATEST.encode()),
            (b"content-length", b"%d" % len(text)),
        )
        return Answer(200, "", headers, text)

    pages = {b"/livez": lambda: answers.json_answer(200, {"alive": True}), b"/readyz": ready, b"/metrics": shown}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        page = pages.get(scope["raw_path"])
        if page is None:
            answer = answers.refused(answers.NOT_FOUND)
        elif scope["method"] not in METHODS:
            answer = answers.refused(answers.METHOD_NOT_ALLOWED, (b"allow", ", ".join(METHODS).encode()))
        else:
            answer = page()
        incoming = Incoming(receive, expects_continue=False)
        await incoming.discard()
        headers = answer.headers if incoming.complete else (*answer.headers, answers.CLOSE)
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    return app
