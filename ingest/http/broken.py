"""Why a connection can no longer be read, and what its client is answered."""

import httptools
import structlog

from ingest.http import response
from ingest.http.chunks import BadChunks
from ingest.http.response import Refusal

log = structlog.get_logger()


class Broken(Exception):
    """The connection cannot be read any further; `why` is the answer to the request in pieces."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why.code)
        self.why = why


def is_of_method(error: httptools.HttpParserError) -> bool:
    """Whether the parser does not know the method, or knows it as one of RTSP's."""
    return isinstance(error, httptools.HttpParserInvalidMethodError) or str(error).startswith("Invalid method for HTTP")


def why(error: Exception) -> Refusal:
    """Return how to answer when the reading of a request failed. What is no fault of the client's is logged."""
    cause: BaseException | None = error
    if isinstance(error, httptools.HttpParserCallbackError):
        cause = error.__context__
    if isinstance(cause, Broken):
        return cause.why
    if isinstance(cause, (httptools.HttpParserError, BadChunks)):
        return response.MALFORMED_REQUEST
    log.error("request.failed", exc_info=cause)
    return response.INTERNAL_ERROR
