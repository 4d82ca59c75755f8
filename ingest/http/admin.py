"""Health and metrics on a separate port: GET /livez, /readyz and /metrics (contract, section 2).

Ingest and workers use the same admin port; each defines what counts as alive and as ready.
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from ingest.http import response
from ingest.http.exchange import Head, Reply
from ingest.http.response import Response

METHODS: Final = (b"GET", b"HEAD")

Check = Callable[[], tuple[bool, str]]  # whether it is so; if not, why, in words for an operator


class Admin:
    """What the admin port answers, an `Application`.

    Args:
        alive: whether a restart would not help. Called for each request, so it must not block.
        ready: whether requests should be sent here. Called for each request, too.
        registry: the metrics to show.
    """

    def __init__(self, alive: Check, ready: Check, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._pages: dict[bytes, Callable[[], Response]] = {
            b"/livez": lambda: _health("alive", alive),
            b"/readyz": lambda: _health("ready", ready),
            b"/metrics": self._metrics,
        }

    def begin(self, head: Head, reply: Reply) -> None:
        """As the port says."""
        page = self._pages.get(head.path)
        if page is None:
            reply(_NOT_FOUND)
        elif head.method not in METHODS:
            reply(response.refused(response.METHOD_NOT_ALLOWED, (b"allow", b", ".join(METHODS))))
        else:
            reply(page())

    def answered(self, answer: Response, seconds: float, received: int) -> None:
        """As the port says: nobody counts these."""

    def _metrics(self) -> Response:
        return response.build(200, [(b"content-type", CONTENT_TYPE_LATEST.encode())], generate_latest(self._registry))


_NOT_FOUND: Final = response.json_response(
    404, {"success": False, "code": "not_found", "message": "Not found; try /livez, /readyz or /metrics"}
)


def _health(name: str, check: Check) -> Response:
    good, reason = check()
    return response.json_response(200 if good else 503, {name: good, "reason": reason})
