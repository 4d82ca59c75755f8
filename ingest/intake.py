"""One request with a body, from its head to its answer: steps 2 to 7 of `app`.

A single event is processed at once; a batch, and what is still compressed when it is complete, slice by slice.
Meanwhile a request keeps what it holds (`request`): the workspaces as of its start, its part of the quota, its share of
the rate limit. A client that disconnects after its body is complete changes nothing: its events are not lost.
"""

import time
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Final

import structlog

from ingest import admission, answers, keys
from ingest.admission import Events
from ingest.body import INFLATERS, PIECE_BYTES, Gzip
from ingest.counting import has_more, is_dense
from ingest.delivery import Outcome, Record
from ingest.http import response
from ingest.http.response import Refusal
from ingest.keys import STRANGER
from ingest.metrics import ACCEPTED, FAILED
from ingest.request import Request
from ingest.routes import Call
from ingest.slices import EVENTS_A_STEP, Work
from ingest.tracing import Span
from schemas import entry
from schemas.headers import pack as pack_headers
from schemas.rejections import Rejection

log = structlog.get_logger()

# An answer is due 5 s after a request's last byte, always. Half a second is kept for a busy loop.
ANSWER_SECONDS: Final = 4.5

# Of a request whose head says that it is too large so much is read, to be recorded.
SAMPLE_BYTES: Final = 64 * 1024

_BYTES_AN_EVENT: Final = 16 * 1024  # that take as long to inflate, or to take apart, as an event takes to read
_REJECTED_AN_EVENT: Final = 4  # rejections that are recorded, or told, in that time


class Intake(Request, kw_only=True, eq=False):
    """One request that is being taken."""

    _call: Call
    _limit: int  # bytes of the body
    _inflater: Gzip | None = None
    _body: bytes | bytearray = b""  # so far, inflated
    _events: Events | None = None  # of a batch, or of an event that was taken in slices
    _accepted: int = 0
    _deadline: float = 0
    _trace: bytes | None = None  # the traceparent in the head, as sent
    _span: Span | None = None  # of a request that is traced

    def begin(self, headers: Mapping[bytes, bytes]) -> bool:
        """Look at the head (steps 2 to 4); false when the request is refused."""
        resources, quota = self.resources, self.resources.quota
        if quota.count >= quota.most or quota.size >= quota.most_size:
            return self.refuse(response.OVERLOADED)
        owner = resources.keys.owner(headers.get(b"authorization", b""), self.workspaces)
        self.signature = headers.get(b"x-signature", b"")
        if owner is None:
            return self.refuse(answers.UNKNOWN_KEY)
        if not self.count_for(owner):
            return False
        self._trace = headers.get(b"traceparent")
        encoding = headers.get(b"content-encoding")
        if encoding:
            inflater = INFLATERS.get(encoding.strip().lower(), answers.UNSUPPORTED_ENCODING)
            if isinstance(inflater, Refusal):
                return self.refuse(inflater)
            self._inflater = None if inflater is None else inflater(self._limit)
        length = int(headers.get(b"content-length", 0))
        return length <= PIECE_BYTES or self._may_be_long(length, awaits_word=b"expect" in headers)

    def feed(self, data: bytes) -> None:
        """Take a part of the body (step 5)."""
        if self._inflater is not None:
            self._take_inflated(self._inflater.feed(data))
        elif self._body or len(data) > self._limit:
            self._take(data)
        else:  # nearly always all of it
            self._body = data
            self.hold(len(data))

    def end(self) -> None:
        """Take the whole body (steps 3 to 7)."""
        inflater = self._inflater
        self._deadline = self.resources.now() + ANSWER_SECONDS
        if inflater is None:
            self._begin_work(self._whole())
        elif inflater.is_behind:
            self.resources.slices.add(self.owner, self._guarded(self._inflate(inflater)))
        elif (fault := inflater.fault()) is not None:
            self.refuse(fault)
        else:
            self._begin_work(self._whole())

    def _may_be_long(self, length: int, *, awaits_word: bool) -> bool:
        """Look at the length of a long body; false when the request is refused."""
        if self._inflater is None and length > self._limit:
            if awaits_word:  # it is refused before it sends anything
                return self._refuse_read(response.REQUEST_TOO_LARGE, b"")
            self._limit = min(self._limit, SAMPLE_BYTES)
            return True
        return self.resources.quota.fits(self.owner, 0, length) or self.refuse(response.OVERLOADED)

    def _take(self, part: bytes) -> bool:
        """Add bytes to the body, if it may have them; false when the request is refused."""
        self._body = body = _joined(self._body, part) if self._body else part
        waiting = 0 if self._inflater is None else self._inflater.waiting
        if not self.hold(len(body) + waiting):
            return False
        return len(body) <= self._limit or self._refuse_size()

    def _take_inflated(self, part: bytes | Refusal) -> bool:
        if not isinstance(part, Refusal):
            return self._take(part)
        return self._refuse_size() if part is response.REQUEST_TOO_LARGE else self.refuse(part)

    def _refuse_size(self) -> bool:
        """Refuse a request for its size while it arrives, and record as much of it as was read."""
        read, self._body = bytes(self._body), b""
        return self._refuse_read(response.REQUEST_TOO_LARGE, read)

    def _refuse_read(self, refusal: Refusal, raw: bytes) -> bool:
        """Refuse what was read but not taken apart: it costs what an event costs."""
        return self.is_within_rate(1) and self.refuse_recorded(refusal, raw)

    def _whole(self) -> bytes:
        """Return the body, which is given away. A byte order mark at its head is none of it (RFC 8259, section 8.1)."""
        whole, self._body = self._body, b""
        return bytes(whole).removeprefix(BOM_UTF8)  # copied once at most

    def _begin_work(self, whole: bytes) -> None:
        if len(whole) <= PIECE_BYTES and admission.is_single(self._call, whole):
            self._take_single(whole)
        else:
            known = self.owner != STRANGER
            self.resources.slices.add(
                self.owner, self._guarded(self._take_batch(whole) if known else self._find_out(whole))
            )

    def _take_single(self, whole: bytes) -> None:
        try:
            if not (self.owner != STRANGER or self._know(whole)):
                return
            if (self.is_trusted or self.is_signed(whole)) and self.is_within_rate(1):
                self.received_at_ms = time.time_ns() // 1_000_000
                found = entry.admit(whole, self.received_at_ms, self.workspace, type_required=False)
                if isinstance(found, Rejection):
                    # After the callbacks already queued, like acceptances: sent alone, it would wake its client alone.
                    self.resources.call_soon(self._refuse_single, found, whole)
                else:
                    self._publish([found])
        except Exception:
            log.exception("request.failed")
            self.refuse(response.INTERNAL_ERROR)

    def _guarded(self, work: Work) -> Work:
        """Do work until the request is answered. Too late, or a fault, is an answer, too."""
        try:
            for cost in work:
                yield cost
                if not self.is_counted:
                    return
                if self.resources.now() >= self._deadline:
                    self.refuse(response.OVERLOADED)
                    return
        except Exception:
            log.exception("request.failed")
            self.refuse(response.INTERNAL_ERROR)

    def _inflate(self, inflater: Gzip) -> Work:
        """Inflate the backlog of received bytes."""
        while inflater.is_behind:
            yield _cost(PIECE_BYTES)
            if not self._take_inflated(inflater.inflate()):
                return
        if (fault := inflater.fault()) is not None:
            self.refuse(fault)
        else:
            self._begin_work(self._whole())

    def _find_out(self, whole: bytes) -> Work:
        """Find a batch's workspace; the rest queues behind the work that this workspace has waiting."""
        yield _cost(len(whole))
        if self._know(whole):
            self.resources.slices.add(self.owner, self._guarded(self._take_batch(whole)))

    def _take_batch(self, whole: bytes) -> Work:
        """Count the events, and admit them slice by slice (steps 6 and 7)."""
        rules = self.resources.rules
        most = rules.request_limit_events
        if is_dense(whole, most) and (yield from has_more(whole, most)):
            self._refuse_read(answers.TOO_MANY_EVENTS, whole)
            return
        yield _cost(len(whole))
        events = admission.events_of(self._call, whole, most, may_add=rules.request_limit_bytes)
        if isinstance(events, Refusal):
            self._refuse_read(events, whole)
            return
        count = len(events.events)
        # Segment's Webhooks destination signs a batch's first event; the whole body is signed by others.
        if not self.is_trusted and not self.is_signed(*events.events[:1], whole):
            return
        if not (self.reserve(count, sum(map(len, events.events))) and self.is_within_rate(max(1, count))):
            return
        self._events, self.received_at_ms = events, time.time_ns() // 1_000_000
        whole = whole if events.defaults else b""  # the events are copies of it
        for start in range(0, count, EVENTS_A_STEP):
            yield min(EVENTS_A_STEP, count - start)
            may_add = events.may_add
            refusal = admission.admit(events, start, start + EVENTS_A_STEP, self.received_at_ms, self.workspace)
            if refusal is not None:
                self.refuse_recorded(refusal, whole)
                return
            if may_add > events.may_add and not self.hold(self.size + may_add - events.may_add):
                return
        records, events.events, events.records = events.records, (), []
        self._publish(records)

    def _know(self, whole: bytes) -> bool:
        """Look for a key in the body (step 3); false when the request is refused."""
        owner = keys.workspace_in_body(whole, self.workspaces, self.resources.rules.request_limit_events)
        if isinstance(owner, Refusal):
            return self.refuse(owner)
        self.leave()
        return self.count_for(owner)

    def _publish(self, records: list[Record]) -> None:
        """Publish the admitted (step 7)."""
        resources, name = self.resources, self.workspace.name
        self.release()
        self._accepted = len(records)
        if records:
            trace = self._trace if self._span is None else self._span.publish(len(records))
            packed = pack_headers(name, self.received_at_ms, trace)
            resources.delivery.publish(name, records, packed, self._deadline, self._delivered)
        else:
            resources.call_soon(self._delivered, Outcome.DELIVERED)

    def _delivered(self, outcome: Outcome) -> None:
        """Answer once it is known what became of the admitted, if there were any."""
        events, delivered = self._events, outcome is Outcome.DELIVERED
        if self._span is not None:
            self._span.published(is_delivered=delivered)
        self.resources.metrics.events[ACCEPTED if delivered else FAILED,] += self._accepted
        if not delivered:
            self.refuse(response.OVERLOADED if outcome is Outcome.FULL else answers.UNAVAILABLE)
        elif events is None or not (events.in_batch or events.rejected):
            self.answer(answers.ACCEPTED)
        elif not events.rejected:
            self.answer(answers.batch_answer(self._accepted, ()))
        elif events.in_batch:
            self.resources.slices.add(self.owner, self._conclude(events))
        else:
            self._refuse_single(events.rejected[0][1], events.refused[0])

    def _refuse_single(self, rejection: Rejection, raw: bytes) -> None:
        """Refuse a request of one event, and record the event."""
        try:
            self.refuse_recorded(answers.REASONS[rejection.reason], raw)
        except Exception:
            log.exception("request.failed")
            self.refuse(response.INTERNAL_ERROR)

    def _conclude(self, events: Events) -> Work:
        """Record what was rejected of a batch, and answer, however late: its other events are stored."""
        try:
            for start in range(0, len(events.rejected), EVENTS_A_STEP):
                some = slice(start, start + EVENTS_A_STEP)
                yield len(events.refused[some]) // _REJECTED_AN_EVENT
                self.record(events.refused[some], [rejection for _, rejection in events.rejected[some]])
            yield len(events.rejected) // _REJECTED_AN_EVENT
            self.answer(answers.batch_answer(self._accepted, events.rejected))
        except Exception:
            log.exception("request.failed")
            self.refuse(response.INTERNAL_ERROR)


def _joined(body: bytes | bytearray, part: bytes) -> bytes | bytearray:
    """Return a body with a part behind it. Parts are not kept: of two bytes each, they would take twenty times more."""
    if isinstance(body, bytes) and len(body) <= PIECE_BYTES <= len(body) + len(part):
        return body + part  # nearly always all of it: it is copied no more
    whole = body if isinstance(body, bytearray) else bytearray(body)
    whole += part
    return whole


def _cost(size: int) -> int:
    return 1 + size // _BYTES_AN_EVENT
