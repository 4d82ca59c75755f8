"""The one table of refusals: code, HTTP status, message (contract, section 2), and how an answer is put in bytes.

Every answer is a JSON object. Answers that say the same each time are made once, here: refusals are cheap, and a
refusal is a value, never an exception (a shared exception would hold on to its tracebacks).
"""

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

from schemas import rejections
from schemas.rejections import Reason, Rejection

Header = tuple[bytes, bytes]

RETRY_AFTER_SECONDS: Final = 5  # SDKs wait as told, and their shutdown waits with them


class Refusal(NamedTuple):
    """Why a request is refused: a word for programs, an HTTP status, a sentence for people."""

    code: str
    status: int
    message: str


class Answer(NamedTuple):
    """An HTTP answer, ready to send. `code` is empty on success; `head` lacks the date and the line that ends it."""

    status: int
    code: str
    head: bytes
    body: bytes

    def bearing(self, *headers: Header) -> "Answer":
        """Return the same answer with more headers."""
        return self._replace(head=self.head + lines(headers))


MALFORMED_REQUEST = Refusal("malformed_request", 400, "The request is not valid HTTP/1.1")
MALFORMED_ENCODING = Refusal("malformed_encoding", 400, "The body is not valid gzip")
MISSING_BATCH = Refusal("missing_batch", 400, 'A batch is a JSON object with a list of events under "batch"')
MISSING_KEY = Refusal("missing_key", 401, "Missing API key")
UNKNOWN_KEY = Refusal("unknown_key", 401, "Unknown API key")
NOT_FOUND = Refusal("not_found", 404, "Not found; GET /openapi.json describes this API")
METHOD_NOT_ALLOWED = Refusal("method_not_allowed", 405, "Method not allowed for this path")
REQUEST_TOO_LARGE = Refusal("request_too_large", 413, "The request is larger than the limit")
TOO_MANY_EVENTS = Refusal("too_many_events", 413, "The batch has more events than the limit")
UNSUPPORTED_ENCODING = Refusal("unsupported_encoding", 415, "Content-Encoding must be gzip or absent")
RATE_LIMITED = Refusal("rate_limited", 429, "The workspace is over its rate limit; please retry later")
UNSUPPORTED_CALL = Refusal("unsupported_call", 501, "Only identify calls are accepted")
UNKNOWN_METHOD = Refusal("unknown_method", 501, "Unknown HTTP method")
UNAVAILABLE = Refusal("unavailable", 503, "Events cannot be stored right now; please retry")
OVERLOADED = Refusal("overloaded", 503, "Too many concurrent requests; please retry")
TOO_SLOW = Refusal("too_slow", 503, "The request took too long to arrive; please retry")
INTERNAL_ERROR = Refusal("internal_error", 503, "Internal error; please retry")

_STATUS_OF_REASON: Final = {Reason.TOO_LARGE: 413, Reason.UNSUPPORTED_TYPE: 501}  # all others: 400

REASONS: Final = {
    rejection.reason: Refusal(rejection.reason.value, _STATUS_OF_REASON.get(rejection.reason, 400), rejection.message)
    for rejection in (
        rejections.MALFORMED_JSON,
        rejections.NOT_AN_OBJECT,
        rejections.TOO_LARGE,
        rejections.UNSUPPORTED_TYPE,
        rejections.MISSING_EMAIL,
        rejections.INVALID_EMAIL,
        rejections.MISSING_TIMESTAMP,
        rejections.INVALID_TIMESTAMP,
        rejections.TIMESTAMP_IN_FUTURE,
    )
}

TABLE: Final = (
    *REASONS.values(),
    MALFORMED_REQUEST,
    MALFORMED_ENCODING,
    MISSING_BATCH,
    MISSING_KEY,
    UNKNOWN_KEY,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    REQUEST_TOO_LARGE,
    TOO_MANY_EVENTS,
    UNSUPPORTED_ENCODING,
    RATE_LIMITED,
    UNSUPPORTED_CALL,
    UNKNOWN_METHOD,
    UNAVAILABLE,
    OVERLOADED,
    TOO_SLOW,
    INTERNAL_ERROR,
)

# What is recorded in segment.rejected of a request that is refused as a whole: the reason under which it is.
RECORDED: Final = {
    **{refusal.code: reason for reason, refusal in REASONS.items()},
    REQUEST_TOO_LARGE.code: Reason.TOO_LARGE,
    TOO_MANY_EVENTS.code: Reason.TOO_LARGE,
}

_SENT_AGAIN: Final = (429, 503)

# What RFC 9110 asks of these answers (sections 11.6.1 and 15.5.16). Clients that send no key before they are challenged
# (Java's Authenticator, wget, `curl --anyauth`) know Basic.
_HEADERS: Final[dict[int, tuple[Header, ...]]] = {
    401: ((b"www-authenticate", b'Basic realm="Daymark", charset="UTF-8"'),),
    415: ((b"accept-encoding", b"gzip"),),
}


def refused(refusal: Refusal, *headers: Header) -> Answer:
    """Return the answer that a refusal is, with headers of its own."""
    return _REFUSED[refusal.code].bearing(*headers) if headers else _REFUSED[refusal.code]


def too_large(most_bytes: int, most_events: int) -> dict[str, Answer]:
    """Return, by their codes, the refusals that say how large a request may be: in bytes, and in events of a batch."""
    said = (
        (REQUEST_TOO_LARGE, f"The request is larger than {most_bytes:,} bytes after decompression"),
        (TOO_MANY_EVENTS, f"The batch has more than {most_events:,} events"),
    )
    return {why.code: _made(why.status, why.code, _content(why._replace(message=text))) for why, text in said}


@lru_cache(128)
def rate_limited(seconds: int) -> Answer:
    """Return the refusal of a workspace that may send again after so many seconds."""
    return _made(RATE_LIMITED.status, RATE_LIMITED.code, _content(RATE_LIMITED), seconds)


def json_answer(status: int, content: object) -> Answer:
    """Return an answer with a JSON object that is no refusal."""
    return _made(status, "", content)


def batch_answer(accepted: int, rejected: Sequence[tuple[int, Rejection]]) -> Answer:
    """Return what a batch came to: how many events were accepted, and by index which were not.

    When none was accepted of some, it is a 400 that bears the first event's code and message.
    """
    faults = [
        {"index": index, "code": rejection.reason.value, "message": rejection.message} for index, rejection in rejected
    ]
    if not rejected:
        return _all_accepted(accepted)
    if accepted:
        return json_answer(200, {"success": True, "accepted": accepted, "rejected": faults})
    first = REASONS[rejected[0][1].reason]
    return _made(400, first.code, _content(first) | {"accepted": 0, "rejected": faults})


@lru_cache(128)
def _all_accepted(count: int) -> Answer:
    return json_answer(200, {"success": True, "accepted": count, "rejected": []})


def _content(refusal: Refusal) -> dict[str, object]:
    return {"success": False, "code": refusal.code, "message": refusal.message}


def made(status: int, code: str, headers: Sequence[Header], body: bytes) -> Answer:
    """Return an answer of bytes, with its length."""
    line = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
    length = () if status == HTTPStatus.NO_CONTENT else ((b"content-length", b"%d" % len(body)),)
    return Answer(status, code, line + lines((*headers, *length)), body)


def _made(status: int, code: str, content: object, retry_after: int = RETRY_AFTER_SECONDS) -> Answer:
    more = _HEADERS.get(status, ())
    if status in _SENT_AGAIN:
        more = ((b"retry-after", b"%d" % retry_after),)
    return made(status, code, (JSON, *more), msgspec.json.encode(content))


def lines(headers: Sequence[Header]) -> bytes:
    """Return headers as they stand in the head of a message."""
    return b"".join([b"%s: %s\r\n" % header for header in headers])


JSON: Final[Header] = (b"content-type", b"application/json")

ACCEPTED: Final = json_answer(200, {"success": True})

_REFUSED: Final = {refusal.code: _made(refusal.status, refusal.code, _content(refusal)) for refusal in TABLE}
