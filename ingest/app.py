"""The API: what becomes of each request (contract, section 2).

A request goes through these steps, and the order is the point: what is cheap to refuse is refused first, and nothing
is answered 200 before Kafka has it.

1. Path and method.
2. Room: too many requests, too many bytes: 503 before memory grows.
3. A key in the headers must be known. One in the body can be looked for only after step 5.
4. Its workspace must be within its rate, else 429, and leave as much room as it holds, here and in Kafka's queue, else
   503: a flood of one workspace is nobody else's. Strangers share one room until their key is known.
5. The body is taken within its limits, inflated while it arrives.
6. Its events, one or a batch, are taken from the rate, and admitted or rejected, each with its reason. Pure.
7. The admitted are published; the answer waits for every in-sync replica, or for the deadline.

Owns routes and order. Does not know Kafka, HTTP's framing or the environment.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from ingest import admission, answers, body, keys, openapi
from ingest.answers import Answer, Refusal
from ingest.delivery import Delivery, Headers, Outcome
from ingest.exchange import Head, Intake, Reply
from ingest.keys import STRANGER, Keys
from ingest.metrics import ACCEPTED, FAILED, Metrics
from ingest.rate import Buckets
from ingest.room import Room
from ingest.routes import Call, call_of, methods
from schemas import avro
from schemas.reasons import Reason, Rejection
from schemas.topics import HEADER_RECEIVED_AT, HEADER_WORKSPACE
from schemas.workspace import Workspaces

log = structlog.get_logger()

# An answer is due 5 s after a request's first byte, always. Half a second is kept for a busy loop.
ANSWER_SECONDS: Final = 4.5

# At 5,000 requests of 64 MiB in all, one process stays well under 200 MiB whatever Kafka does.
MOST_REQUESTS: Final = 5_000
MOST_BYTES: Final = 64 * 1024 * 1024

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


class App:
    """The API of one process, an `Application`."""

    def __init__(
        self,
        delivery: Delivery,
        workspaces: Callable[[], Workspaces],
        rules: Rules,
        metrics: Metrics,
        *,
        room: Room | None = None,
        buckets: Buckets | None = None,
    ) -> None:
        self.delivery, self.workspaces, self.rules, self.metrics = delivery, workspaces, rules, metrics
        self.room = room or Room(MOST_REQUESTS, max(MOST_BYTES, 4 * rules.request_limit_bytes))
        self.buckets = buckets or Buckets(rules.processes)
        self.keys = Keys()
        self._origins = {origin.encode("latin-1") for origin in rules.allowed_origins}
        self._now = asyncio.get_running_loop().time
        metrics.requests_in_flight.set_function(lambda: self.room.count)
        metrics.bytes_in_flight.set_function(lambda: self.room.size)

    def begin(self, head: Head, reply: Reply) -> Intake | None:
        """As the port says (steps 1 to 4)."""
        if self._origins:
            reply = self._for_browsers(head.headers, reply)
        call = self._route(head.method, head.path)
        if isinstance(call, Answer):
            reply(call)
            return None
        intake = _Intake(self, call, head.began, reply)
        return intake if intake.begin(head.headers) else None

    def answered(self, answer: Answer, began: float, received: int) -> None:
        """As the port says."""
        self.metrics.answered(answer.status, answer.code, self._now() - began, received)

    def _route(self, method: bytes, path: bytes) -> Call | Answer:
        """Return the call to take (step 1), or the answer that needs no more than method and path."""
        call = call_of(path)
        if call is None:
            return answers.refused(answers.NOT_FOUND)
        allowed = methods(call, from_browsers=bool(self._origins))
        if method not in allowed:
            return answers.refused(answers.METHOD_NOT_ALLOWED, (b"allow", b", ".join(allowed)))
        if method == b"OPTIONS":
            return answers.PREFLIGHT
        if call is Call.DESCRIPTION:
            return openapi.ANSWER
        return answers.refused(answers.UNSUPPORTED_CALL) if call is Call.OTHER else call

    def _for_browsers(self, headers: Mapping[bytes, bytes], reply: Reply) -> Reply:
        """Return a reply that says whether the page that asked may read it."""
        origin = headers.get(b"origin", b"")
        more = [(b"access-control-allow-origin", b"*" if b"*" in self._origins else origin)]
        if b"*" not in self._origins:
            more = [*more, (b"vary", b"origin")] if origin in self._origins else [(b"vary", b"origin")]
        return lambda answer: reply(answer.bearing(*more))


class _Intake:
    """One request that is being taken, from step 2 to its answer."""

    __slots__ = (
        *(
            "_admission",
            "_app",
            "_began",
            "_call",
            "_counted",
            "_decoder",
            "_events",
            "_held",
            "_owner",
            "_parts",
            "_received_at_ms",
        ),
        *("_reply", "_workspace", "_workspaces"),
    )

    def __init__(self, app: App, call: Call, began: float, reply: Reply) -> None:
        self._app, self._call, self._began, self._reply = app, call, began, reply
        self._workspaces = app.workspaces()
        self._owner, self._counted = STRANGER, False  # for whom it is counted in the room, if it is
        self._held = 0  # bytes
        self._parts: list[bytes] = []

    def begin(self, headers: Mapping[bytes, bytes]) -> bool:
        """Look at the head (steps 2 to 4); false when the request is refused."""
        app = self._app
        if app.room.count >= app.room.most or app.room.size >= app.room.most_size:
            return self._refuse(answers.OVERLOADED)
        owner = app.keys.owner(headers.get(b"authorization", b""), self._workspaces)
        if owner is None:
            return self._refuse(answers.UNKNOWN_KEY)
        decoder = body.DECODERS.get(headers.get(b"content-encoding", b"").strip().lower())
        if not self._belongs_to(owner):
            return False
        if decoder is None:
            return self._refuse(answers.UNSUPPORTED_ENCODING)
        limit = app.rules.request_limit_bytes
        if decoder is body.Plain and int(headers.get(b"content-length", 0)) > limit:
            return self._refuse(answers.REQUEST_TOO_LARGE)
        self._decoder = decoder(limit)
        return True

    def feed(self, data: bytes) -> None:
        """Take a part of the body (step 5)."""
        part, room = self._decoder.feed(data), self._app.room
        if isinstance(part, Refusal):
            self._refuse(part)
        elif room.fits(self._owner, 0, len(part)):
            room.take(self._owner, 0, len(part))
            self._held += len(part)
            self._parts.append(part)
        else:
            self._refuse(answers.OVERLOADED)

    def end(self) -> None:
        """Take the whole body (steps 3 to 7)."""
        try:
            self._take()
        except Exception:
            log.exception("request.failed")
            self._refuse(answers.INTERNAL_ERROR)

    def leave(self) -> None:
        """Let go of what is held."""
        if self._counted:
            self._app.room.give(self._owner, 1, self._held)
            self._counted = False

    def _take(self) -> None:
        fault = self._decoder.fault()
        if fault is not None:
            self._refuse(fault)
            return
        whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        if self._owner == STRANGER:
            owner = keys.workspace_in_body(whole, self._workspaces)
            if isinstance(owner, Refusal):
                self._refuse(owner)
                return
            if not self._belongs_to(owner):
                return
        self._admit(whole)

    def _belongs_to(self, owner: str) -> bool:
        """Count the request, and what it holds, for a workspace or for strangers (step 4); false when it is refused."""
        self.leave()
        app = self._app
        if not (app.room.fits(owner, 1, self._held) and app.delivery.has_room(owner)):
            return self._refuse(answers.OVERLOADED, owner)
        if owner != STRANGER:
            self._workspace = self._workspaces.get(owner)
            if not self._within_rate(0):
                return False
        self._owner, self._counted = owner, True
        app.room.take(owner, 1, self._held)
        return True

    def _within_rate(self, events: int) -> bool:
        """Take events from a workspace's rate; false when it is over it, and the request refused."""
        wait_s = self._app.buckets.take(self._workspace, events)
        return self._answer(answers.rate_limited(wait_s), self._workspace.name) if wait_s else True

    def _admit(self, whole: bytes) -> None:
        """Admit, and publish (steps 6 and 7)."""
        events = admission.events_of(self._call, whole)
        if not self._within_rate(1 if isinstance(events, Refusal) else max(1, len(events.events))):
            return
        self._received_at_ms = now_ms = time.time_ns() // 1_000_000
        workspace = self._workspace
        if isinstance(events, Refusal):
            if events in answers.REASONS.values():
                self._record([(whole, Rejection(Reason(events.code), events.message))])
            self._refuse(events)
            return
        self._events, self._admission = events, admission.admit(events, now_ms, workspace)
        records = self._admission.records
        if not records:
            self._conclude()
            return
        headers: Headers = [(HEADER_WORKSPACE, workspace.name.encode()), (HEADER_RECEIVED_AT, b"%d" % now_ms)]
        self._app.delivery.publish(workspace.name, records, headers, self._began + ANSWER_SECONDS, self._delivered)

    def _delivered(self, outcome: Outcome) -> None:
        delivered = outcome is Outcome.DELIVERED
        self._app.metrics.events[ACCEPTED if delivered else FAILED,] += len(self._admission.records)
        if not delivered:
            self._refuse(answers.OVERLOADED if outcome is Outcome.FULL else answers.UNAVAILABLE)
            return
        try:
            self._conclude()
        except Exception:
            log.exception("request.failed")
            self._refuse(answers.INTERNAL_ERROR)

    def _conclude(self) -> None:
        """Record what was rejected, and answer."""
        (records, rejected), events = self._admission, self._events
        if rejected:
            self._record([(events.events[index], rejection) for index, rejection in rejected])
        if events.in_batch:
            self._answer(answers.batch_answer(len(records), rejected))
        elif rejected:
            self._refuse(answers.REASONS[rejected[0][1].reason])
        else:
            self._answer(answers.ACCEPTED)

    def _record(self, refused: Sequence[tuple[bytes, Rejection]]) -> None:
        """Record what was rejected, without making the sender wait: it gets its answer either way."""
        app, name = self._app, self._workspace.name
        for _, rejection in refused:
            app.metrics.events[rejection.reason.value,] += 1
        codec, now_ms = app.rules.rejected, self._received_at_ms
        app.delivery.reject(name, [admission.rejected_value(codec, *event, name, now_ms) for event in refused])

    def _refuse(self, refusal: Refusal, owner: str | None = None) -> bool:
        return self._answer(answers.refused(refusal), owner)

    def _answer(self, answer: Answer, owner: str | None = None) -> bool:
        """Answer, and let go of what is held; false, for those who ask whether to go on."""
        owner = owner or self._owner
        if owner and answer.code in _LIMITS:
            self._app.metrics.limited[owner, answer.code] += 1
        self.leave()
        self._reply(answer)
        return False
