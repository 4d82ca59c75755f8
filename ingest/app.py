"""The API: an ASGI application without a framework (contract, section 2).

A request goes through these steps, and the order is the point: what is cheap to refuse is refused first, and nothing
is answered 200 before Kafka has it.

1. Path and method.
2. Room: too many requests, too many bytes: 503 before memory grows.
3. A key in the headers must be known. One in the body can be looked for only after step 5.
4. Its workspace must be within its rate, else 429, and leave as much room as it holds, here and in Kafka's queue, else
   503: a flood of one workspace is nobody else's. Strangers share one room until their key is known.
5. The body is read within its limits, inflated while it arrives.
6. Its events, one or a batch, are taken from the rate, and admitted or rejected, each with its reason. Pure.
7. The admitted are published; the answer waits for every in-sync replica, or for the deadline.

Owns routes and order. Does not know Kafka, uvicorn or the environment.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import structlog

from ingest import admission, answers, body, keys, openapi
from ingest.answers import Answer, Header, Refusal
from ingest.body import Gone, Incoming, Receive
from ingest.delivery import Delivery, Headers, Outcome, Record
from ingest.load import MOST_BYTES, STRANGER, Load, Share
from ingest.metrics import ACCEPTED, FAILED, Metrics
from ingest.rate import Buckets
from ingest.routes import Call, call_of, methods
from schemas import avro
from schemas.reasons import Reason, Rejection
from schemas.topics import HEADER_RECEIVED_AT, HEADER_WORKSPACE
from schemas.workspace import Workspace, Workspaces

log = structlog.get_logger()

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# An answer is due 5 s after a request's first byte, always. Half a second is kept for a busy loop.
BODY_SECONDS: Final = 4.0
ANSWER_SECONDS: Final = 4.5

_LIMITS: Final = {answers.RATE_LIMITED.code, answers.OVERLOADED.code}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the API is told.

    Limits in bytes, how many processes share a workspace's rate, the origins of browsers that may call it, how
    rejections are written.
    """

    request_limit_bytes: int = 500 * 1024
    processes: int = 1
    allowed_origins: tuple[str, ...] = ()
    rejected: avro.Codec = avro.REJECTED


class _Request(NamedTuple):
    """A request that was read and whose key is known."""

    call: Call
    workspace: Workspace
    body: bytes


class App:
    """The ASGI application of one process."""

    def __init__(
        self,
        delivery: Delivery,
        workspaces: Callable[[], Workspaces],
        rules: Rules,
        metrics: Metrics,
        *,
        load: Load | None = None,
        buckets: Buckets | None = None,
    ) -> None:
        self._delivery, self._workspaces, self._rules, self._metrics = delivery, workspaces, rules, metrics
        self._load = load or Load(most_bytes=max(MOST_BYTES, 4 * rules.request_limit_bytes))
        self._buckets = buckets or Buckets(rules.processes)
        self._origins = {origin.encode("latin-1") for origin in rules.allowed_origins}
        metrics.requests_in_flight.set_function(lambda: self._load.requests.held)
        metrics.bytes_in_flight.set_function(lambda: self._load.bytes.held)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. The scope's state may tell when its first byte came, on the loop's clock."""
        clock = asyncio.get_running_loop().time
        began: float = scope.get("state", {}).get("began") or clock()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        incoming = Incoming(receive, expects_continue=b"expect" in headers)
        try:
            answer = await self._answer(scope, headers, incoming, began)
        except Exception:
            log.exception("request.failed")
            answer = answers.refused(answers.INTERNAL_ERROR)
        self._metrics.request_bytes.inc(incoming.wire_bytes)
        if isinstance(answer, Gone):
            return
        self._metrics.answered(answer.status, answer.code, clock() - began)
        more = self._origin_headers(headers) if self._origins else ()
        more = more if incoming.complete else (*more, answers.CLOSE)
        await send({"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, *more]})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], incoming: Incoming, began: float
    ) -> Answer | Gone:
        answer = self._route(scope["method"], scope["raw_path"])
        if isinstance(answer, Call):
            taken = await self._take(answer, headers, incoming, began)
            if isinstance(taken, Gone):
                return taken
            answer = answers.refused(taken) if isinstance(taken, Refusal) else taken
        if incoming.complete:
            return answer
        with suppress(TimeoutError):
            async with asyncio.timeout_at(began + BODY_SECONDS):
                await incoming.discard()
        return answer

    async def _take(
        self, call: Call, headers: Mapping[bytes, bytes], incoming: Incoming, began: float
    ) -> Answer | Refusal | Gone:
        """Take a request from its room to its answer (steps 2 to 7)."""
        if not self._load.has_room():
            return answers.OVERLOADED
        with Share(self._load) as share:
            taken = await self._receive(call, headers, incoming, share, began)
            if isinstance(taken, _Request):
                taken = await self._admit(taken, began + ANSWER_SECONDS)
            if not isinstance(taken, Gone) and taken.code in _LIMITS and share.owner != STRANGER:
                self._metrics.limited.labels(share.owner, taken.code).inc()
            return taken

    def _route(self, method: str, path: bytes) -> Call | Answer:
        """Return the call to take (step 1), or the answer that needs no more than method and path."""
        call = call_of(path)
        if call is None:
            return answers.refused(answers.NOT_FOUND)
        allowed = methods(call, from_browsers=bool(self._origins))
        if method not in allowed:
            return answers.refused(answers.METHOD_NOT_ALLOWED, (b"allow", ", ".join(allowed).encode()))
        if method == "OPTIONS":
            return answers.PREFLIGHT
        if call is Call.DESCRIPTION:
            return openapi.ANSWER
        return answers.refused(answers.UNSUPPORTED_CALL) if call is Call.OTHER else call

    async def _receive(
        self, call: Call, headers: Mapping[bytes, bytes], incoming: Incoming, share: Share, began: float
    ) -> _Request | Answer | Refusal | Gone:
        """Return a request that is whole and whose key is known (steps 3 to 5), or why it is refused."""
        workspaces = self._workspaces()
        named = keys.in_header(headers.get(b"authorization", b""))
        name = keys.workspace_of(named, workspaces)
        if named and name is None:
            return answers.UNKNOWN_KEY
        beyond = self._beyond(share, workspaces, name)
        if beyond is not None:
            return beyond
        encoding = headers.get(b"content-encoding", b"").strip().lower()
        decoder = body.DECODERS.get(encoding)
        if decoder is None:
            return answers.UNSUPPORTED_ENCODING
        limit = self._rules.request_limit_bytes
        if decoder is body.Plain and int(headers.get(b"content-length", 0)) > limit:
            return answers.REQUEST_TOO_LARGE
        try:
            async with asyncio.timeout_at(began + BODY_SECONDS):
                received = await body.read(incoming, decoder(limit), share.hold)
        except TimeoutError:
            return answers.TOO_SLOW
        if not isinstance(received, bytes):
            return received
        owner = name or keys.workspace_in_body(received, workspaces)
        if isinstance(owner, Refusal):
            return owner
        return (None if name else self._beyond(share, workspaces, owner)) or _Request(
            call, workspaces.get(owner), received
        )

    def _beyond(self, share: Share, workspaces: Workspaces, name: str | None) -> Answer | Refusal | None:
        """Count a request for its workspace, or for strangers; return why there is no more for it (step 4)."""
        owner = STRANGER if name is None else name
        if not (share.belongs_to(owner) and self._delivery.has_room(owner)):
            return answers.OVERLOADED
        return None if name is None else self._over_rate(workspaces.get(name), 0)

    def _over_rate(self, workspace: Workspace, events: int) -> Answer | None:
        wait_s = self._buckets.take(workspace, events)
        return answers.rate_limited(wait_s) if wait_s else None

    async def _admit(self, request: _Request, deadline: float) -> Answer:
        """Admit, publish and answer (steps 6 and 7)."""
        received_at_ms = time.time_ns() // 1_000_000
        workspace, events = request.workspace, admission.events_of(request.call, request.body)
        count = 1 if isinstance(events, Refusal) else max(1, len(events.events))
        over = self._over_rate(workspace, count)
        if over is not None:
            return over
        if isinstance(events, Refusal):
            if events in answers.REASONS.values():
                whole = Rejection(Reason(events.code), events.message)
                self._record([(request.body, whole)], workspace.name, received_at_ms)
            return answers.refused(events)
        admitted = admission.admit(events, received_at_ms, workspace)
        if admitted.records:
            refusal = await self._publish(admitted.records, workspace.name, received_at_ms, deadline)
            if refusal is not None:
                return answers.refused(refusal)
        if admitted.rejected:
            refused = [(events.events[index], rejection) for index, rejection in admitted.rejected]
            self._record(refused, workspace.name, received_at_ms)
        if events.in_batch:
            return answers.batch_answer(len(admitted.records), admitted.rejected)
        if admitted.rejected:
            return answers.refused(answers.REASONS[admitted.rejected[0][1].reason])
        return answers.ACCEPTED

    async def _publish(
        self, records: Sequence[Record], workspace: str, received_at_ms: int, deadline: float
    ) -> Refusal | None:
        headers: Headers = [(HEADER_WORKSPACE, workspace.encode()), (HEADER_RECEIVED_AT, b"%d" % received_at_ms)]
        outcome = await self._delivery.publish(workspace, records, headers, deadline)
        delivered = outcome is Outcome.DELIVERED
        self._metrics.events[ACCEPTED if delivered else FAILED].inc(len(records))
        if delivered:
            return None
        return answers.OVERLOADED if outcome is Outcome.FULL else answers.UNAVAILABLE

    def _record(self, refused: Sequence[tuple[bytes, Rejection]], workspace: str, received_at_ms: int) -> None:
        """Record what was rejected, without making the sender wait: it gets its answer either way."""
        for _, rejection in refused:
            self._metrics.events[rejection.reason.value].inc()
        codec = self._rules.rejected
        self._delivery.reject(
            workspace, [admission.rejected_value(codec, *event, workspace, received_at_ms) for event in refused]
        )

    def _origin_headers(self, headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        origin = headers.get(b"origin", b"")
        if b"*" in self._origins:
            return ((b"access-control-allow-origin", b"*"),)
        vary = (b"vary", b"origin")
        return ((b"access-control-allow-origin", origin), vary) if origin in self._origins else (vary,)
