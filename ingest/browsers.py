"""CORS: which pages of other origins may call the API and read its answers (contract, section 2).

Sources: the Fetch standard, sections 3.2 (CORS protocol) and 4.8 (CORS-preflight fetch). Allowed origins tell browsers
what a page may read. They are not access control: other clients send any `Origin`, or none. The API key is.
"""

from collections.abc import Iterable
from typing import Final

from ingest.http import response
from ingest.http.response import Response

ANY_ORIGIN: Final = b"*"

# What published SDKs send from a page, and what monitoring scripts add to a page's requests: RudderStack's anonymousid,
# W3C trace context and baggage, Sentry, Zipkin, Datadog, New Relic, Elastic. A setting adds to these.
REQUEST_HEADERS: Final = frozenset(
    b"anonymousid authorization b3 baggage content-encoding content-type elastic-apm-traceparent newrelic sentry-trace"
    b" traceparent tracestate x-b3-parentspanid x-b3-sampled x-b3-spanid x-b3-traceid x-datadog-origin"
    b" x-datadog-parent-id x-datadog-sampling-priority x-datadog-tags x-datadog-trace-id x-requested-with"
    b" x-retry-count".split()
)

_MAX_AGE_SECONDS: Final = 7_200  # no browser remembers a preflight for longer


class Browsers:
    """What the answers to browsers carry.

    Args:
        origins: that may call the API, as browsers write them; `*` is any, and then without credentials.
        headers: that their requests may carry besides `REQUEST_HEADERS`, in lower case.
    """

    def __init__(self, origins: Iterable[str], headers: Iterable[str] = ()) -> None:
        listed = {origin.encode("latin-1") for origin in origins}
        self.are_allowed = bool(listed)
        self._headers = REQUEST_HEADERS | {name.encode("latin-1") for name in headers}
        vary = (b"vary", b"origin")
        exposed = (b"access-control-expose-headers", b"retry-after")
        any_origin = (b"access-control-allow-origin", ANY_ORIGIN)
        others = [any_origin, exposed] if ANY_ORIGIN in listed else []
        self._others = response.lines([*others, vary] if listed - {ANY_ORIGIN} else others)
        self._lines = {
            origin: response.lines(
                [
                    (b"access-control-allow-origin", origin),
                    (b"access-control-allow-credentials", b"true"),
                    exposed,
                    vary,
                ]
            )
            for origin in listed - {ANY_ORIGIN}
        }

    def readable(self, answer: Response, origin: bytes) -> Response:
        """Return an answer that a page of an allowed origin may read.

        Args:
            answer: to a page's request, or to its preflight.
            origin: the value of the request's `Origin`; empty when there is none.
        """
        return answer._replace(head=answer.head + self._lines.get(origin, self._others))

    def preflight(self, asked: bytes) -> Response:
        """Return the answer to a preflight: of the request headers that it asks for, those that are allowed.

        Args:
            asked: the value of `Access-Control-Request-Headers`; empty when there is none.
        """
        names = dict.fromkeys(name.strip(b" \t").lower() for name in asked.split(b","))
        allowed = b", ".join(name for name in names if name in self._headers)
        said = ((b"access-control-allow-headers", allowed),) if allowed else ()
        return _PREFLIGHT.bearing(*said)


_PREFLIGHT: Final = response.build(
    204,
    (
        response.JSON,
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-max-age", b"%d" % _MAX_AGE_SECONDS),
    ),
    b"",
)
