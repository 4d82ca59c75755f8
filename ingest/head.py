"""What the head of a request must be for two readers to read it alike. Pure.

The parser sees to lengths, chunks and line ends; here is what it lets pass. Sources: RFC 9112, sections 2.3, 3.2, 6.1
and 11.2; RFC 9110, section 5.3.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import httptools

from ingest.answers import Header

# Of two, one reader takes the first and another the last: who sends, to whom, and where a body ends.
_ONCE: Final = frozenset({b"host", b"authorization", b"content-encoding", b"transfer-encoding"})

_LINE_BYTES: Final = 4  # a colon, a space, CR and LF


def is_clear(version: str, lines: Sequence[Header], headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a head says its version, host, key and coding once, in words that everybody knows.

    Args:
        version: "1.1" for HTTP/1.1.
        lines: names in lower case, and values.
        headers: the same by name.
    """
    if len(headers) < len(lines) and _repeats(lines):
        return False
    coding = headers.get(b"transfer-encoding")
    if version == "1.1":
        return b"host" in headers and (coding is None or coding.strip(b" \t").lower() == b"chunked")
    return version == "1.0" and coding is None


def path_of(target: bytes) -> bytes:
    """Return the path of a request's target, in whatever form it came.

    Raises:
        httptools.HttpParserInvalidURLError: it is no URL.
    """
    return httptools.parse_url(target).path or b"/"


def size(target: bytes, lines: Sequence[Header]) -> int:
    """Return about how many bytes a head is, or trailers are (with no target)."""
    return len(target) + sum(len(name) + len(value) + _LINE_BYTES for name, value in lines)


def _repeats(lines: Sequence[Header]) -> bool:
    names = [name for name, _ in lines]
    return any(names.count(name) > 1 for name in _ONCE)
