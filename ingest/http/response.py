"""HTTP responses as bytes, and HTTP's own refusals, such as that of a malformed request.

Every body here is a JSON object. Responses that say the same each time are made once: refusals are cheap, and a refusal
is a value, never an exception (a shared exception would hold on to its tracebacks).
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

Header = tuple[bytes, bytes]

RETRY_AFTER_SECONDS: Final = 5  # SDKs wait this long, and so does their shutdown
JSON: Final[Header] = (b"content-type", b"application/json")


class Refusal(NamedTuple):
    """Why a request is refused: a word for programs, an HTTP status, a sentence for people."""

    code: str
    status: int
    message: str


class Response(NamedTuple):
    """A response, ready to send. `code` is empty on success; `head` lacks the date and the line that ends it."""

    status: int
    code: str
    head: bytes
    body: bytes

    def bearing(self, *headers: Header) -> "Response":
        """Return the same response with more headers."""
        return self._replace(head=self.head + lines(headers))


MALFORMED_REQUEST = Refusal("malformed_request", 400, "The request is not valid HTTP/1.1")
METHOD_NOT_ALLOWED = Refusal("method_not_allowed", 405, "Method not allowed for this path")
REQUEST_TOO_LARGE = Refusal("request_too_large", 413, "The request is larger than the limit")
UNKNOWN_METHOD = Refusal("unknown_method", 501, "Unknown HTTP method")
OVERLOADED = Refusal("overloaded", 503, "Too many concurrent requests; please retry")
TOO_SLOW = Refusal("too_slow", 503, "The request took too long to arrive; please retry")
INTERNAL_ERROR = Refusal("internal_error", 503, "Internal error; please retry")

_SENT_AGAIN: Final = {429, 503}


@lru_cache(64)
def refused(refusal: Refusal, *headers: Header, retry_after: int = RETRY_AFTER_SECONDS) -> Response:
    """Return the response that a refusal is.

    Args:
        refusal: why.
        headers: more of them.
        retry_after: seconds after which the client may send again, where the status invites it to.
    """
    return refused_with(refusal, {}, *headers, retry_after=retry_after)


def refused_with(
    refusal: Refusal, content: Mapping[str, object], *headers: Header, retry_after: int = RETRY_AFTER_SECONDS
) -> Response:
    """Return the same with more fields in its body, built at each call."""
    again = ((b"retry-after", b"%d" % retry_after),) if refusal.status in _SENT_AGAIN else ()
    fields = {"success": False, "code": refusal.code, "message": refusal.message, **content}
    return build(refusal.status, (JSON, *headers, *again), msgspec.json.encode(fields), refusal.code)


def json_response(status: int, content: object) -> Response:
    """Return a response with a JSON object that is no refusal."""
    return build(status, (JSON,), msgspec.json.encode(content))


def build(status: int, headers: Sequence[Header], body: bytes, code: str = "") -> Response:
    """Return a response of bytes, with its length. `code` is a refusal's."""
    line = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
    length = () if status == HTTPStatus.NO_CONTENT else ((b"content-length", b"%d" % len(body)),)
    return Response(status, code, line + lines((*headers, *length)), body)


def lines(headers: Sequence[Header]) -> bytes:
    """Return headers as they stand in the head of a message."""
    return b"".join([b"%s: %s\r\n" % header for header in headers])
