"""The API: what becomes of each request (contract, section 2).

A request goes through these steps, and the order is the point: what is cheap to refuse is refused first, and nothing
is answered 200 before Kafka has it.

1. Path and method.
2. The quota: too many requests, too many bytes: 503 before memory grows.
3. A key in the headers must be known. One in the body can be looked for only after step 5.
4. Its workspace must be within its rate, else 429, and leave as much capacity free as it holds, here and in the
   producer queue, else 503: one workspace's flood does not affect others. Unidentified senders share one part of the
   quota.
5. The body is read within its limits, and inflated while it arrives.
6. Its events, one or a batch, are counted, reserved in the producer queue and taken from the rate limit; then each is
   admitted, or rejected with its reason: a batch in slices of a few hundred events, between which others get a turn.
7. Admitted events are published; the answer waits for all in-sync replicas, or for the deadline.

Owns routes and order. Does not know Kafka, HTTP's framing or the environment.
"""

from collections.abc import Callable, Mapping
from typing import Final

from ingest import answers, openapi
from ingest.browsers import Browsers
from ingest.delivery import Delivery
from ingest.http import response
from ingest.http.exchange import Head, Reply
from ingest.http.response import Response
from ingest.intake import Intake
from ingest.metrics import Metrics
from ingest.quota import Quota
from ingest.rate import Buckets
from ingest.resources import Resources, Rules
from ingest.routes import Call, call_of, methods
from ingest.tracing import Span, Tracing
from schemas.workspace import Workspaces

_TAKEN: Final = {Call.IDENTIFY, Call.BATCH}


class App:
    """The API of one process, an `Application`."""

    def __init__(
        self,
        delivery: Delivery,
        workspaces: Callable[[], Workspaces],
        rules: Rules,
        metrics: Metrics,
        *,
        quota: Quota | None = None,
        buckets: Buckets | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.resources, self._workspaces = Resources(delivery, rules, metrics, quota, buckets), workspaces
        self._rules, self._browsers = rules, Browsers(rules.allowed_origins, rules.allowed_headers)
        self.answered, self._tracing = metrics.answered, tracing

    def begin(self, head: Head, reply: Reply) -> Intake | None:
        """As the port says (steps 1 to 4)."""
        if self._browsers.are_allowed:
            reply = self._for_browsers(head.headers, reply)
        call = call_of(head.path)
        if head.method != b"POST" or call not in _TAKEN:
            reply(self._answer(call, head))
            return None
        span = None
        if self._tracing is not None:
            span = self._tracing.begin(head.path, head.headers.get(b"traceparent"))
            reply = reply if span is None else _ending(span, reply)
        limit = self._rules.request_limit_bytes
        intake = Intake(self.resources, reply, self._workspaces(), _call=call, _limit=limit, _span=span)
        return intake if intake.begin(head.headers) else None

    def _answer(self, call: Call | None, head: Head) -> Response:
        """Answer what needs no more than the head (step 1)."""
        if call is None:
            return answers.refused(answers.NOT_FOUND)
        allowed = methods(call, from_browsers=self._browsers.are_allowed)
        if head.method not in allowed:
            return answers.refused(response.METHOD_NOT_ALLOWED, (b"allow", b", ".join(allowed)))
        if head.method == b"OPTIONS":
            return self._browsers.preflight(head.headers.get(b"access-control-request-headers", b""))
        return (
            openapi.answer(self._rules.request_limit_events)
            if call is Call.DESCRIPTION
            else answers.refused(answers.UNSUPPORTED_CALL)
        )

    def _for_browsers(self, headers: Mapping[bytes, bytes], reply: Reply) -> Reply:
        """Return a reply that says whether the page that asked may read it."""
        origin = headers.get(b"origin", b"")
        return lambda answer: reply(self._browsers.readable(answer, origin))


def _ending(span: Span, reply: Reply) -> Reply:
    """Return a reply with which a request's span ends."""

    def ended(answer: Response) -> None:
        span.end(answer.status)
        reply(answer)

    return ended
