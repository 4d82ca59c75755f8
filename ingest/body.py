"""A request's body: inflate it within its limits while it arrives.

Owns no policy beyond size and form; what the bytes say is `batch`'s and schemas' to tell. Invariant: no more than the
limit and one chunk is ever held, however far a body would inflate.
"""

import zlib
from typing import Final

from ingest import answers
from ingest.answers import Refusal

_GZIP_WINDOW: Final = 31  # zlib's word for "gzip, any window"
_GZIP_MEMBERS: Final = 100  # a new inflater each: 20 bytes of input must not buy more work than this


class Gzip:
    """Inflates a body while it arrives: one member or several, and nothing else after them."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes
        self._wire_left = limit_bytes + limit_bytes // 64 + 64  # what gzip adds to bytes it cannot compress
        self._members = 0
        self._inflater = zlib.decompressobj(_GZIP_WINDOW)

    def feed(self, data: bytes) -> bytes | Refusal:
        """Return the bytes that a chunk stands for, or why the body is refused."""
        self._wire_left -= len(data)
        if self._wire_left < 0:
            return answers.REQUEST_TOO_LARGE
        parts: list[bytes] = []
        while data:
            if self._inflater.eof:
                self._members += 1
                self._inflater = zlib.decompressobj(_GZIP_WINDOW)
            if self._members >= _GZIP_MEMBERS:
                return answers.MALFORMED_ENCODING
            try:
                # One byte more than may come: a bomb shows itself by it, and no more of it is inflated.
                part = self._inflater.decompress(data, self._left + 1)
            except zlib.error:
                return answers.MALFORMED_ENCODING
            self._left -= len(part)
            if self._left < 0:
                return answers.REQUEST_TOO_LARGE
            parts.append(part)
            data = self._inflater.unused_data
        return b"".join(parts)

    def fault(self) -> Refusal | None:
        """Return what is wrong with a body that ends here: it is cut short."""
        return None if self._inflater.eof else answers.MALFORMED_ENCODING


# RFC 9110, section 8.4.1.3: x-gzip is gzip.
INFLATERS: Final[dict[bytes, type[Gzip] | None]] = {b"": None, b"identity": None, b"gzip": Gzip, b"x-gzip": Gzip}
