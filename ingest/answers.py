"""The API's responses, and the one table of its refusals: code, HTTP status, message (contract, section 2).

The refusals that are HTTP's own are defined in `http.response`; `TABLE` lists all of them.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from ingest.http import response
from ingest.http.response import Header, Refusal, Response, json_response
from schemas import rejections
from schemas.rejections import Reason, Rejection

MALFORMED_ENCODING = Refusal("malformed_encoding", 400, "The body is not valid gzip")
MISSING_BATCH = Refusal("missing_batch", 400, 'A batch is a JSON object with a list of events under "batch"')
MISSING_KEY = Refusal("missing_key", 401, "Missing API key")
UNKNOWN_KEY = Refusal("unknown_key", 401, "Unknown API key")
MISSING_SIGNATURE = Refusal("missing_signature", 401, "Missing X-Signature; this workspace takes signed webhooks only")
WRONG_SIGNATURE = Refusal(
    "wrong_signature", 401, "X-Signature is not the HMAC-SHA1 of the body with the workspace's secret"
)
NOT_FOUND = Refusal("not_found", 404, "Not found; GET /openapi.json describes this API")
TOO_MANY_EVENTS = Refusal("too_many_events", 413, "The batch has more events than the limit")
UNSUPPORTED_ENCODING = Refusal("unsupported_encoding", 415, "Content-Encoding must be gzip or absent")
RATE_LIMITED = Refusal("rate_limited", 429, "The workspace is over its rate limit; please retry later")
UNSUPPORTED_CALL = Refusal("unsupported_call", 501, "Only identify calls are accepted")
UNAVAILABLE = Refusal("unavailable", 503, "Events cannot be stored right now; please retry")

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
    response.MALFORMED_REQUEST,
    MALFORMED_ENCODING,
    MISSING_BATCH,
    MISSING_KEY,
    UNKNOWN_KEY,
    MISSING_SIGNATURE,
    WRONG_SIGNATURE,
    NOT_FOUND,
    response.METHOD_NOT_ALLOWED,
    response.REQUEST_TOO_LARGE,
    TOO_MANY_EVENTS,
    UNSUPPORTED_ENCODING,
    RATE_LIMITED,
    UNSUPPORTED_CALL,
    response.UNKNOWN_METHOD,
    UNAVAILABLE,
    response.OVERLOADED,
    response.TOO_SLOW,
    response.INTERNAL_ERROR,
)

# What is recorded in segment.rejected of a request that is refused as a whole: the reason under which it is.
RECORDED: Final = {
    **{refusal.code: reason for reason, refusal in REASONS.items()},
    response.REQUEST_TOO_LARGE.code: Reason.TOO_LARGE,
    TOO_MANY_EVENTS.code: Reason.TOO_LARGE,
}

# What RFC 9110 asks of these responses (sections 11.6.1 and 15.5.16). Clients that send no key before they are
# challenged (Java's Authenticator, wget, `curl --anyauth`) know Basic.
_HEADERS: Final[dict[int, tuple[Header, ...]]] = {
    401: ((b"www-authenticate", b'Basic realm="Daymark", charset="UTF-8"'),),
    415: ((b"accept-encoding", b"gzip"),),
}

ACCEPTED: Final = json_response(200, {"success": True})


def refused(refusal: Refusal, *headers: Header) -> Response:
    """Return the response for a refusal, with its additional headers."""
    return _REFUSED[refusal.code].bearing(*headers) if headers else _REFUSED[refusal.code]


def too_large(most_bytes: int, most_events: int) -> dict[str, Response]:
    """Return, by their codes, the refusals that say how large a request may be: in bytes, and in events of a batch."""
    said = (
        (response.REQUEST_TOO_LARGE, f"The request is larger than {most_bytes:,} bytes after decompression"),
        (TOO_MANY_EVENTS, f"The batch has more than {most_events:,} events"),
    )
    return {why.code: response.refused(why._replace(message=text)) for why, text in said}


def rate_limited(seconds: int) -> Response:
    """Return the refusal of a workspace that may send again after so many seconds."""
    return response.refused(RATE_LIMITED, retry_after=seconds)


def batch_answer(accepted: int, rejected: Sequence[tuple[int, Rejection]]) -> Response:
    """Return what a batch came to: how many events were accepted, and by index which were not.

    When none was accepted of some, it is a 400 that bears the first event's code and message.
    """
    if not rejected:
        return _all_accepted(accepted)
    faults = [
        {"index": index, "code": rejection.reason.value, "message": rejection.message} for index, rejection in rejected
    ]
    if accepted:
        return json_response(200, {"success": True, "accepted": accepted, "rejected": faults})
    first = REASONS[rejected[0][1].reason]
    return response.refused_with(first._replace(status=400), {"accepted": 0, "rejected": faults})


@lru_cache(128)
def _all_accepted(count: int) -> Response:
    return json_response(200, {"success": True, "accepted": count, "rejected": []})


_REFUSED: Final = {refusal.code: response.refused(refusal, *_HEADERS.get(refusal.status, ())) for refusal in TABLE}
