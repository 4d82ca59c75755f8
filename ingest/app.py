"""The API: what becomes of each request (contract, section 2).

A request goes through these steps, and the order is the point: what is cheap to refuse is refused first, and nothing
is answered 200 before Kafka has it.

1. Path and method.
2. The quota: too many requests, too many bytes: 503 before memory grows.
3. A key in the headers must be known. One in the body can be looked for only after step 5.
4. Its workspace must be within its rate, else 429, and leave as much free as it holds, here and in Kafka's queue, else
   503: a flood of one workspace is nobody else's. Strangers share one part of the quota until their key is known.
5. The body is taken within its limits, inflated while it arrives.
6. Its events, one or a batch, are counted, given room in Kafka's queue and taken from the rate; then they are admitted
   or rejected, each with its reason: a batch in slices of a few hundred events, between which others get their turn.
7. The admitted are published; the answer waits for every in-sync replica, or for the deadline.

Owns routes and order. Does not know Kafka, HTTP's framing or the environment.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ingest import answers, openapi
from ingest.answers import Answer
from ingest.browsers import Browsers
from ingest.delivery import Delivery
from ingest.exchange import Head, Reply
from ingest.intake import Intake
from ingest.keys import Keys
from ingest.metrics import Metrics
from ingest.quota import Quota
from ingest.rate import Buckets
from ingest.routes import Call, call_of, methods
from ingest.slices import Slices
from schemas import avro
from schemas.workspace import Workspaces

# Sixteen of the largest requests, or 5,000 small ones. A process holds this twice at most, here and in Kafka's queue,
# and a batch that is being taken apart.
MOST_REQUESTS: Final = 5_000
MOST_BYTES: Final = 64 * 1024 * 1024

_TAKEN: Final = {Call.IDENTIFY, Call.BATCH}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the API is told.

    The longest request in bytes and in events, how many processes share a workspace's rate, the origins of browsers
    that may call it, the request headers that those may send besides the usual ones, how rejections are written.
    """

    request_limit_bytes: int = 4 * 1024 * 1024
    request_limit_events: int = openapi.MOST_EVENTS
    processes: int = 1
    allowed_origins: tuple[str, ...] = ()
    allowed_headers: tuple[str, ...] = ()
    rejected: avro.Codec = avro.REJECTED


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
    ) -> None:
        self.delivery, self.workspaces, self.rules, self.metrics = delivery, workspaces, rules, metrics
        self.quota = quota or Quota(MOST_REQUESTS, max(MOST_BYTES, 4 * rules.request_limit_bytes))
        self.buckets = buckets or Buckets(rules.processes)
        self.keys, self.slices = Keys(), Slices()
        loop = asyncio.get_running_loop()
        self.now, self.call_soon = loop.time, loop.call_soon
        self.answered = metrics.answered
        self.too_large = answers.too_large(rules.request_limit_bytes, rules.request_limit_events)
        self._browsers = Browsers(rules.allowed_origins, rules.allowed_headers)
        metrics.requests_in_flight.set_function(lambda: self.quota.count)
        metrics.bytes_in_flight.set_function(lambda: self.quota.size)

    def begin(self, head: Head, reply: Reply) -> Intake | None:
        """As the port says (steps 1 to 4)."""
        if self._browsers.are_allowed:
            reply = self._for_browsers(head.headers, reply)
        call = call_of(head.path)
        if head.method != b"POST" or call not in _TAKEN:
            reply(self._answer(call, head))
            return None
        intake = Intake(self, reply, self.workspaces(), _call=call, _limit=self.rules.request_limit_bytes)
        return intake if intake.begin(head.headers) else None

    def _answer(self, call: Call | None, head: Head) -> Answer:
        """Answer what needs no more than the head (step 1)."""
        if call is None:
            return answers.refused(answers.NOT_FOUND)
        allowed = methods(call, from_browsers=self._browsers.are_allowed)
        if head.method not in allowed:
            return answers.refused(answers.METHOD_NOT_ALLOWED, (b"allow", b", ".join(allowed)))
        if head.method == b"OPTIONS":
            return self._browsers.preflight(head.headers.get(b"access-control-request-headers", b""))
        return (
            openapi.answer(self.rules.request_limit_events)
            if call is Call.DESCRIPTION
            else answers.refused(answers.UNSUPPORTED_CALL)
        )

    def _for_browsers(self, headers: Mapping[bytes, bytes], reply: Reply) -> Reply:
        """Return a reply that says whether the page that asked may read it."""
        origin = headers.get(b"origin", b"")
        return lambda answer: reply(self._browsers.readable(answer, origin))
