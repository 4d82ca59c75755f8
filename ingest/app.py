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
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from ingest import admission, answers, keys, openapi
from ingest.admission import Events
from ingest.answers import Answer, Refusal
from ingest.body import INFLATERS, Gzip
from ingest.browsers import Browsers
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
from schemas.workspace import PLAIN, Workspace, Workspaces

log = structlog.get_logger()

# An answer is due 5 s after a request's first byte, always. Half a second is kept for a busy loop.
ANSWER_SECONDS: Final = 4.5

# At 5,000 requests of 64 MiB in all, one process stays well under 200 MiB whatever Kafka does.
MOST_REQUESTS: Final = 5_000
MOST_BYTES: Final = 64 * 1024 * 1024

_TAKEN: Final = {Call.IDENTIFY, Call.BATCH}
_LIMITS: Final = {answers.RATE_LIMITED.code, answers.OVERLOADED.code}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the API is told.

    Limits in bytes, how many processes share a workspace's rate, the origins of browsers that may call it, the request
    headers that those may send besides the usual ones, how rejections are written.
    """

    request_limit_bytes: int = 500 * 1024
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
        room: Room | None = None,
        buckets: Buckets | None = None,
    ) -> None:
        self.delivery, self.workspaces, self.rules, self.metrics = delivery, workspaces, rules, metrics
        self.room = room or Room(MOST_REQUESTS, max(MOST_BYTES, 4 * rules.request_limit_bytes))
        self.buckets = buckets or Buckets(rules.processes)
        self.keys = Keys()
        self.answered = metrics.answered
        self._browsers = Browsers(rules.allowed_origins, rules.allowed_headers)
        metrics.requests_in_flight.set_function(lambda: self.room.count)
        metrics.bytes_in_flight.set_function(lambda: self.room.size)

    def begin(self, head: Head, reply: Reply) -> Intake | None:
        """As the port says (steps 1 to 4)."""
        if self._browsers.are_allowed:
            reply = self._for_browsers(head.headers, reply)
        call = call_of(head.path)
        if head.method != b"POST" or call not in _TAKEN:
            reply(self._answer(call, head))
            return None
        intake = _Intake(self, call, head.began, reply, self.workspaces())
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
        return openapi.ANSWER if call is Call.DESCRIPTION else answers.refused(answers.UNSUPPORTED_CALL)

    def _for_browsers(self, headers: Mapping[bytes, bytes], reply: Reply) -> Reply:
        """Return a reply that says whether the page that asked may read it."""
        origin = headers.get(b"origin", b"")
        return lambda answer: reply(self._browsers.readable(answer, origin))


class _Intake(msgspec.Struct, eq=False, gc=False):
    """One request that is being taken, from step 2 to its answer."""

    _app: App
    _call: Call
    _began: float
    _reply: Reply
    _workspaces: Workspaces
    _workspace: Workspace = PLAIN  # whose events they are, once that is known
    _owner: str = STRANGER  # for whom it is counted in the room, if it is
    _is_counted: bool = False
    _size: int = 0  # of the body so far, inflated
    _inflater: Gzip | None = None
    _parts: list[bytes] = []
    _events: Events | None = None
    _received_at_ms: int = 0

    def begin(self, headers: Mapping[bytes, bytes]) -> bool:
        """Look at the head (steps 2 to 4); false when the request is refused."""
        app, room = self._app, self._app.room
        if room.count >= room.most or room.size >= room.most_size:
            return self._refuse(answers.OVERLOADED)
        owner = app.keys.owner(headers.get(b"authorization", b""), self._workspaces)
        if owner is None:
            return self._refuse(answers.UNKNOWN_KEY)
        if not self._count_for(owner):
            return False
        limit = app.rules.request_limit_bytes
        encoding = headers.get(b"content-encoding")
        if encoding:
            inflater = INFLATERS.get(encoding.strip().lower(), answers.UNSUPPORTED_ENCODING)
            if isinstance(inflater, Refusal):
                return self._refuse(inflater)
            self._inflater = None if inflater is None else inflater(limit)
        if self._inflater is None and int(headers.get(b"content-length", 0)) > limit:
            return self._refuse(answers.REQUEST_TOO_LARGE)
        return True

    def feed(self, data: bytes) -> None:
        """Take a part of the body (step 5)."""
        app, part = self._app, data if self._inflater is None else self._inflater.feed(data)
        if isinstance(part, Refusal):
            self._refuse(part)
            return
        self._size += len(part)
        self._parts.append(part)
        if not app.room.take(self._owner, 0, len(part)):
            self._refuse(answers.OVERLOADED)
        elif self._size > app.rules.request_limit_bytes:
            self._refuse(answers.REQUEST_TOO_LARGE)

    def end(self) -> None:
        """Take the whole body (steps 3 to 7)."""
        fault = None if self._inflater is None else self._inflater.fault()
        if fault is not None:
            self._refuse(fault)
            return
        whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        whole = whole.removeprefix(BOM_UTF8)
        try:
            if self._owner != STRANGER or self._know(whole):
                self._admit(whole)
        except Exception:
            log.exception("request.failed")
            self._refuse(answers.INTERNAL_ERROR)

    def leave(self) -> None:
        """Let go of what is held."""
        if self._is_counted:
            self._is_counted = False
            self._app.room.give(self._owner, 1, self._size)

    def _know(self, whole: bytes) -> bool:
        """Look for a key in the body (step 3); false when the request is refused."""
        owner = keys.workspace_in_body(whole, self._workspaces)
        if isinstance(owner, Refusal):
            return self._refuse(owner)
        self.leave()
        return self._count_for(owner)

    def _count_for(self, owner: str) -> bool:
        """Count the request, and what it holds, for a workspace or for strangers (step 4); false when it is refused."""
        app = self._app
        self._owner, self._is_counted = owner, True
        if not (app.room.take(owner, 1, self._size) and app.delivery.has_room(owner)):
            return self._refuse(answers.OVERLOADED)
        if owner == STRANGER:
            return True
        self._workspace = self._workspaces.get(owner)
        return self._workspace.rate_per_second is None or self._is_within_rate(0)

    def _is_within_rate(self, events: int) -> bool:
        """Take events from a workspace's rate; false when it is over it, and the request refused."""
        wait_s = self._app.buckets.take(self._workspace, events)
        return not wait_s or self._answer(answers.rate_limited(wait_s))

    def _admit(self, whole: bytes) -> None:
        """Admit, and publish (steps 6 and 7)."""
        app, workspace, events = self._app, self._workspace, admission.events_of(self._call, whole)
        count = 1 if isinstance(events, Refusal) else max(1, len(events.events))
        if workspace.rate_per_second is not None and not self._is_within_rate(count):
            return
        self._received_at_ms = now_ms = time.time_ns() // 1_000_000
        if isinstance(events, Refusal):
            if events in answers.REASONS.values():
                self._record([(whole, Rejection(Reason(events.code), events.message))])
            self._refuse(events)
            return
        self._events = events
        admission.admit(events, now_ms, workspace)
        if events.records:
            headers: Headers = [(HEADER_WORKSPACE, workspace.name.encode()), (HEADER_RECEIVED_AT, b"%d" % now_ms)]
            deadline = self._began + ANSWER_SECONDS
            app.delivery.publish(workspace.name, events.records, headers, deadline, self._delivered)
        else:
            # Behind what the loop has at hand, like the admitted: an answer that goes alone wakes its client alone.
            asyncio.get_running_loop().call_soon(self._delivered, Outcome.DELIVERED)

    def _delivered(self, outcome: Outcome) -> None:
        """Answer once it is known what became of the admitted, if there were any."""
        events, delivered = self._events, outcome is Outcome.DELIVERED
        assert events is not None  # noqa: S101  they were looked at
        self._app.metrics.events[ACCEPTED if delivered else FAILED,] += len(events.records)
        if not delivered:
            self._refuse(answers.OVERLOADED if outcome is Outcome.FULL else answers.UNAVAILABLE)
            return
        try:
            self._conclude(events)
        except Exception:
            log.exception("request.failed")
            self._refuse(answers.INTERNAL_ERROR)

    def _conclude(self, events: Events) -> None:
        """Record what was rejected, and answer."""
        if events.rejected:
            self._record([(events.events[index], rejection) for index, rejection in events.rejected])
        if events.in_batch:
            self._answer(answers.batch_answer(len(events.records), events.rejected))
        elif events.rejected:
            self._refuse(answers.REASONS[events.rejected[0][1].reason])
        else:
            self._answer(answers.ACCEPTED)

    def _record(self, refused: Sequence[tuple[bytes, Rejection]]) -> None:
        """Record what was rejected, without making the sender wait: it gets its answer either way."""
        app, name = self._app, self._workspace.name
        for _, rejection in refused:
            app.metrics.events[rejection.reason.value,] += 1
        codec, now_ms = app.rules.rejected, self._received_at_ms
        app.delivery.reject(name, [admission.rejected_value(codec, *event, name, now_ms) for event in refused])

    def _refuse(self, refusal: Refusal) -> bool:
        return self._answer(answers.refused(refusal))

    def _answer(self, answer: Answer) -> bool:
        """Answer, and let go of what is held; false, for those who ask whether to go on."""
        if answer.code in _LIMITS and self._owner != STRANGER:
            self._app.metrics.limited[self._owner, answer.code] += 1
        self.leave()
        self._reply(answer)
        return False
