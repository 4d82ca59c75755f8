"""A request's body: inflated while it arrives, within its limits.

Checks only size and encoding; `batch` and schemas interpret the bytes. Invariants: at most the limit plus one piece is
ever inflated, however large a body would become; at most one piece is inflated at a time.
"""

import zlib
from typing import Final

from ingest import answers
from ingest.http import response
from ingest.http.response import Refusal

PIECE_BYTES: Final = 64 * 1024  # 0.2 ms

_GZIP_WINDOW: Final = 31  # zlib's word for "gzip, any window"
_GZIP_MEMBERS: Final = 100  # a new inflater each: 20 bytes of input must not buy more work than this


class Gzip:
    """Inflates a body while it arrives: one member or several, and nothing else after them.

    Attributes:
        is_behind: whether `inflate` has more to give before anything else comes.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes
        self._wire_left = limit_bytes + limit_bytes // 64 + 64  # what gzip adds to bytes it cannot compress
        self._members = 0
        self._inflater = zlib.decompressobj(_GZIP_WINDOW)
        self._wire = b""
        self.is_behind = False

    @property
    def waiting(self) -> int:
        """Bytes that were received but not inflated yet."""
        return len(self._wire)

    def feed(self, data: bytes) -> bytes | Refusal:
        """Take a chunk; return at most a piece of what was not returned yet, or why the body is refused."""
        self._wire_left -= len(data)
        if self._wire_left < 0:
            return response.REQUEST_TOO_LARGE
        self._wire = self._wire + data if self._wire else data
        return self.inflate()

    def inflate(self) -> bytes | Refusal:
        """Return at most a piece of what was not returned yet, or why the body is refused."""
        parts: list[bytes] = []
        data, left, is_full = self._wire, PIECE_BYTES, self.is_behind
        while left > 0 and (data or is_full):
            if self._inflater.eof:
                self._members += 1
                self._inflater = zlib.decompressobj(_GZIP_WINDOW)
            if self._members >= _GZIP_MEMBERS:
                return answers.MALFORMED_ENCODING
            # One byte more than may come: a bomb shows itself by it, and no more of it is inflated.
            most = min(left, self._left + 1)
            try:
                part = self._inflater.decompress(data, most)
            except zlib.error:
                return answers.MALFORMED_ENCODING
            self._left -= len(part)
            if self._left < 0:
                return response.REQUEST_TOO_LARGE
            left -= len(part)
            parts.append(part)
            is_full = len(part) == most and not self._inflater.eof
            data = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        self._wire, self.is_behind = data, bool(data) or is_full
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def fault(self) -> Refusal | None:
        """Return what is wrong with a body that ends here and was inflated: it is cut short."""
        return None if self._inflater.eof else answers.MALFORMED_ENCODING


# RFC 9110, section 8.4.1.3: x-gzip is gzip.
INFLATERS: Final[dict[bytes, type[Gzip] | None]] = {b"": None, b"identity": None, b"gzip": Gzip, b"x-gzip": Gzip}
