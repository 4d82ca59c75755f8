"""Rules for request heads that rule out request smuggling: two parsers must read a head alike. Pure.

The parser checks lengths and line ends; this module covers what it lets pass, and what it refuses but the RFC allows.
Sources: RFC 9112, sections 2.3, 3, 6.1, 9.6 and 11.2; RFC 9110, sections 2.5, 5.3, 7.2 and 15.6.2.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import httptools

from ingest.http import response
from ingest.http.response import Header, Refusal

# Of two, one reader takes the first and another the last: who sends, to whom, and where a body ends.
_ONCE: Final = frozenset({b"host", b"authorization", b"content-encoding", b"transfer-encoding"})
_OFFER: Final = frozenset({b"upgrade", b"http2-settings"})

_CACHED: Final = 64  # hosts and targets, of at most 32 KiB each: a sender has few
_HOST: Final = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|\[v[0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE: Final = re.compile(rb"(?:\r\n)*" + _TOKEN + rb" [!-~]+ HTTP/1\.[0-9]\r\n")
# One in pieces is waited for only if it looks like a method: what is left over of a body is refused at once.
_LINE_BEGUN: Final = re.compile(
    rb"(?:\r\n)*(?:[A-Z]+(?: (?:[!-~]+(?: [HTP/1.0-9]{0,8}\r?)?)?)?|" + _TOKEN + rb" [!-~]+ HTTP/1\.[0-9]\r?)"
)


def is_later(version: str) -> bool:
    """Return whether a version is a later one of HTTP/1, which is served as 1.1."""
    return version[:2] == "1." and version > "1.1"


def is_clear(version: str, lines: Sequence[Header], headers: Mapping[bytes, bytes], is_1_1: bool) -> bool:  # noqa: FBT001
    """Return whether a head says its version, host, key and coding once, in words that everybody knows.

    Args:
        version: "1.1" for HTTP/1.1.
        lines: names in lower case, and values.
        headers: the same by name.
        is_1_1: whether it is served as HTTP/1.1.
    """
    if len(headers) < len(lines) and _repeats(lines):
        return False
    host, coding = headers.get(b"host"), headers.get(b"transfer-encoding")
    if host is not None and not _is_host(host):
        return False
    if is_1_1:
        return host is not None and (coding is None or coding.strip(b" \t").lower() == b"chunked")
    return version == "1.0" and coding is None


def closes(lines: Iterable[Header]) -> bool:
    """Return whether `close` is an option of a Connection field. The parser sees it only where it is alone."""
    return any(b"close" in _options(value) for name, value in lines if name == b"connection")


@lru_cache(_CACHED)
def path_of(target: bytes) -> bytes:
    """Return the path of a request's target, in whatever form it came.

    Raises:
        httptools.HttpParserInvalidURLError: it is no URL.
    """
    return httptools.parse_url(target).path or b"/"


def without_offer(method: bytes, target: bytes, version: str, lines: Sequence[Header]) -> bytes:
    """Return the head of a request that offers another protocol, the offer left out.

    Java's HttpClient offers HTTP/2 with every first request. The parser takes what follows such a head for the other
    protocol; in truth it is the body, for an offer may be declined (RFC 9110, section 7.8).
    """
    start = b"%s %s HTTP/%s\r\n" % (method, target, version.encode())
    kept = [line for line in lines if line[0] not in _OFFER and line[0] != b"connection"]
    if closes(lines):
        kept.append((b"connection", b"close"))
    return start + b"".join(b"%s: %s\r\n" % line for line in kept) + b"\r\n"


def refusal_of_method(begun: bytes) -> Refusal | None:
    """Return how to refuse a request whose method the parser does not know; None: its first line is not whole yet.

    Args:
        begun: the request from its first byte on, as far as it came.
    """
    if _LINE.match(begun):
        return response.UNKNOWN_METHOD
    return None if _LINE_BEGUN.fullmatch(begun) else response.MALFORMED_REQUEST


@lru_cache(_CACHED)
def _is_host(host: bytes) -> bool:
    """Whether this is a host as RFC 3986 has it, empty or not, and maybe a port."""
    return _HOST.fullmatch(host) is not None


def _options(value: bytes) -> list[bytes]:
    return [option.strip(b" \t").lower() for option in value.split(b",")]


def _repeats(lines: Sequence[Header]) -> bool:
    names = [name for name, _ in lines]
    return any(names.count(name) > 1 for name in _ONCE)
