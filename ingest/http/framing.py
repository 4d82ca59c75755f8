"""Splits the HTTP/1.1 byte stream of a client into requests: heads, bodies, ends. Knows no socket and no clock.

Its states: `in_head`, a head was begun and is not whole; `in_body`, a body, or its trailers, are awaited; neither,
between two requests. `more` says that bytes lie here unread. A head that `head_cache` has skips the parser (httptools),
which reads the others, and trailers; bodies are cut out here. Invariant: one call begins one request at most, and reads
no further than to its end, so that whoever calls decides before every request whether it is begun.
"""

from typing import Final, Protocol

import httptools

from ingest.http import broken, head, response
from ingest.http.broken import Broken
from ingest.http.chunks import Chunks
from ingest.http.exchange import Head
from ingest.http.head_cache import HeadCache, Parsed
from ingest.http.response import Header

HEAD_LIMIT_BYTES: Final = 32 * 1024  # of a head, and of trailers

_END_OF_HEAD: Final = b"\r\n\r\n"
_HTTP_1_1: Final = b" HTTP/1.1\r\n"  # behind the target


class _InPieces(Exception):
    """What was parsed at once must be taken apart first."""


class Body(Protocol):
    """Receives the body of one request."""

    def feed(self, data: bytes) -> bool:
        """Take a part; false: it is too much to be read any further."""

    def end(self) -> None:
        """The request is complete."""


class Requests(Protocol):
    """Handles the requests of a connection, one after the other."""

    def begin(self, head: Head, last: bool, awaits_word: bool) -> Body:  # noqa: FBT001  called for every request
        """Take a head, and return who takes the body, if there is one, and its end.

        Args:
            head: as it is to be answered.
            last: no other request may follow on this connection.
            awaits_word: the client sends the body only after 100 Continue.
        """


class Framing:
    """Reads one connection.

    Args:
        requests: takes them.
        heads: that are known.

    Attributes:
        more: something came that was not read yet.
        in_head: a head was begun and is not whole.
        in_body: a body is awaited, or in part here.
        head_bytes: of the head, the line breaks before it, or the trailers, so far.
    """

    def __init__(self, requests: Requests, heads: HeadCache) -> None:
        self._requests, self._heads = requests, heads
        self._parser = self._new_parser()
        self._data, self._at = b"", 0  # what came, and how much of it was read
        self.more = self.in_head = self.in_body = False
        self.head_bytes = 0
        self._target, self._lines = b"", list[Header]()
        self._tail = b""  # the last bytes of a head in pieces: its end may be in pieces, too
        self._line = b""  # a head as far as it came, until its target or while its method is unknown
        self._unknown = False  # whether the method is: the rest of the line decides on the answer
        self._body: Body
        self._whole: bytes | None = None  # what is parsed at once, if it turns out to be one request or its beginning
        self._left = 0  # bytes of a body whose length is known
        self._chunks: Chunks | None = None  # a body whose length is not

    def read(self, data: bytes = b"") -> None:
        """Read what came, now or before, up to the end of a request.

        Raises:
            Broken: what follows cannot be read.
        """
        try:
            if data and not (self.more or self.in_head or self.in_body or self.head_bytes) and self._read_whole(data):
                return
            if data:
                self._data, self._at = (self._data[self._at :] + data if self.more else data), 0
            while True:
                if not self.in_body:
                    self._read_head()
                elif self._chunks is None:
                    self._read_body()
                else:
                    self._read_chunks(self._chunks)
                if self._at >= len(self._data):
                    self._data, self._at, self.more = b"", 0, False
                    return
                if not (self.in_body or self.in_head):
                    self.more = True
                    return
        except Exception as error:  # noqa: BLE001  `why` logs what is no fault of the client's
            raise Broken(broken.why(error)) from None

    @property
    def is_amid(self) -> bool:
        """Whether part of a request has arrived, or another one after it."""
        return self.in_head or self.in_body or self.more

    def stop(self) -> bool:
        """Read no more; return whether something is left that was not read."""
        left = self._at < len(self._data)
        self._data, self._at, self.more, self.in_head, self.in_body = b"", 0, False, False, False
        return left

    def close(self) -> None:
        """Drop references to this and the connection, so that a closed one is freed at once, not by the collector."""
        self.stop()
        del self._parser, self._requests
        vars(self).pop("_body", None)

    def on_message_begin(self) -> None:
        """Note that a request began."""
        self._target, self._lines, self._line, self.in_head = b"", [], b"", True

    def on_url(self, target: bytes) -> None:
        """Take a part of the target."""
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of the head, or of the trailers."""
        self._lines.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Begin a request."""
        parser, lines = self._parser, self._lines
        whole = self._whole
        if parser.should_upgrade():
            if whole is not None:
                raise _InPieces
            return
        method, target, headers = parser.get_method(), self._target, dict(lines)
        is_1_1 = whole is not None and whole.startswith(_HTTP_1_1, len(method) + len(target) + 1)
        version = "1.1" if is_1_1 else parser.get_http_version()  # which is slow
        is_1_1 = is_1_1 or version == "1.1" or head.is_later(version)
        if not head.is_clear(version, lines, headers, is_1_1):
            raise Broken(response.MALFORMED_REQUEST)
        chunked, length = b"transfer-encoding" in headers, int(headers.get(b"content-length", 0))
        if whole is not None and (chunked or len(whole) > self._at + length):
            raise _InPieces
        begun = Head(method, head.path_of(target), headers)
        last = not is_1_1 or not parser.should_keep_alive() or (b"connection" in headers and head.closes(lines))
        awaits_word = b"expect" in headers and is_1_1 and headers[b"expect"].lower() == b"100-continue"
        self._lines = []  # what comes behind the body is none of the request's
        self.in_head, self.in_body, self.head_bytes, self._tail = False, True, 0, b""
        self._chunks, self._left = Chunks() if chunked else None, length
        self._body = self._requests.begin(begun, last, awaits_word)
        if whole is not None:
            self._whole = None
            if is_1_1 and not (last or awaits_word):
                self._heads.keep(whole[: self._at], Parsed(begun, length))
            if length and (part := whole[self._at :]):
                self._left -= len(part)
                self._feed(part)

    def on_message_complete(self) -> None:
        """End a request, unless it is one of those that offer another protocol."""
        if self.in_body:
            self._body.end()
            self.in_body, self.head_bytes = False, 0

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_version=True)  # `head` is strict about it, and knows 1.2
        return parser

    def _read_whole(self, data: bytes) -> bool:
        """Read a head and what came of its body at once, as most come; false: it is not that, and nothing was begun."""
        end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        if not len(_END_OF_HEAD) <= end <= HEAD_LIMIT_BYTES:
            return False
        known = self._heads.find(data[:end])
        if known is not None and len(data) == end + known.length:
            self._read_known(known, data[end:])
            return True
        self._whole, self._at = data, end
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._whole is None:
                raise
            self._parser, self._whole, self._at, self.in_head = self._new_parser(), None, 0, False
            return False
        self._at = 0
        return True

    def _read_known(self, known: Parsed, body: bytes) -> None:
        """Read a request that came whole, and whose head is known: the parser sees nothing of it."""
        self.in_body, self._chunks = True, None
        self._body = self._requests.begin(known.head, False, False)
        if body:
            self._feed(body)
        self._body.end()
        self.in_body = False

    def _read_head(self) -> None:
        data, at = self._data, self._at
        end = data.find(_END_OF_HEAD, at) + len(_END_OF_HEAD)
        if end < len(_END_OF_HEAD):
            end = len(data)
        if self._tail:
            end = self._end_of_pieces(end)
        part, self._at = data[at:end], end
        self.head_bytes += end - at
        if self.head_bytes > HEAD_LIMIT_BYTES:
            raise Broken(response.MALFORMED_REQUEST)
        target, is_offer = (self._target if self.in_head else b""), False
        try:
            if not self._unknown:
                self._parser.feed_data(part)
        except httptools.HttpParserUpgrade:
            is_offer = True
        except httptools.HttpParserError as error:
            if not broken.is_of_method(error):
                raise
            self._unknown = True
        if is_offer:
            self._decline_offer()
        elif self.head_bytes:  # it is not whole
            self._keep(part, target)

    def _end_of_pieces(self, end: int) -> int:
        """Return where a head ends of which a part came before."""
        data, at, tail = self._data, self._at, self._tail
        found = (tail + data[at : at + len(_END_OF_HEAD) - 1]).find(_END_OF_HEAD)
        return at + found + len(_END_OF_HEAD) - len(tail) if found >= 0 else end

    def _keep(self, part: bytes, target: bytes) -> None:
        """Keep what is needed of a part of a head. An unknown method is refused once the first line has arrived.

        Args:
            part: what was read.
            target: of the request, as far as it came before.
        """
        self._tail = (self._tail + part)[1 - len(_END_OF_HEAD) :]
        self._line = b"" if self._target and not self._unknown else self._line + part
        why = None
        if self._unknown:
            why = response.UNKNOWN_METHOD if target else head.refusal_of_method(self._line)
        if why is not None:
            raise Broken(why)

    def _decline_offer(self) -> None:
        """Read the head again without the offer of another protocol, as one of HTTP/1.1."""
        method, version = self._parser.get_method(), self._parser.get_http_version()
        if method == b"CONNECT":
            raise Broken(response.MALFORMED_REQUEST)
        again = head.without_offer(method, self._target, version, self._lines)
        self._parser = self._new_parser()
        self._parser.feed_data(again)

    def _read_body(self) -> None:
        data, at = self._data, self._at
        part = data[at : at + self._left]
        size = len(part)
        self._at += size
        self._left -= size
        self._feed(part)
        self._parser.feed_data(part)

    def _read_chunks(self, chunks: Chunks) -> None:
        if chunks.ended:
            self._read_trailer()
            return
        part, self._at, ended = chunks.decode(self._data, self._at)
        if part:
            self._feed(part)
        if ended:
            self._parser.feed_data(b"0\r\n")  # all that it learns of them

    def _feed(self, part: bytes) -> None:
        if not self._body.feed(part):
            raise Broken(response.REQUEST_TOO_LARGE)

    def _read_trailer(self) -> None:
        """Read one line behind the last chunk; the parser finds the empty one, which is the end."""
        end = self._data.find(b"\n", self._at) + 1 or len(self._data)
        part, self._at = self._data[self._at : end], end
        self.head_bytes += len(part)
        if self.head_bytes > HEAD_LIMIT_BYTES:
            raise Broken(response.MALFORMED_REQUEST)
        self._parser.feed_data(part)
