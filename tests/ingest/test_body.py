"""Bodies: limits hold while they arrive."""

import gzip
import zlib
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ingest import answers
from ingest.body import Gzip
from ingest.http import response
from ingest.http.response import Refusal

LIMIT = 1000


@given(st.binary(max_size=LIMIT), st.integers(1, 50), st.integers(0, 9))
def test_gzip_in_any_pieces(content: bytes, size: int, level: int) -> None:
    """A compressed body is the same however it is cut."""
    assert _read(_pieces(gzip.compress(content, level), size), Gzip(LIMIT)) == content


@given(st.binary(max_size=100), st.integers(1, 50))
def test_any_bytes_as_gzip(content: bytes, size: int) -> None:
    """Any bytes at all are a body or a refusal."""
    assert isinstance(_read(_pieces(content, size), Gzip(LIMIT)), bytes | Refusal)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_truncated_gzip(content: bytes, data: st.DataObject) -> None:
    """A compressed body that is cut anywhere is refused."""
    whole = gzip.compress(content)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert _read([cut], Gzip(LIMIT)) == answers.MALFORMED_ENCODING


def test_the_limit_itself_passes() -> None:
    """Exactly the limit is accepted, a byte more is not."""
    for size, expected in ((LIMIT, b" " * LIMIT), (LIMIT + 1, response.REQUEST_TOO_LARGE)):
        assert _read([gzip.compress(b" " * size)], Gzip(LIMIT)) == expected


def test_bomb_is_refused_while_it_inflates() -> None:
    """Of a bomb no more than the limit is ever inflated, and nothing is wanted once that is known."""
    inflated, decoder = 0, Gzip(LIMIT)
    for piece in _pieces(zlib.compress(b" " * 10_000_000, wbits=31), 100):
        part = decoder.feed(piece)
        if isinstance(part, Refusal):
            break
        inflated += len(part)
    assert part == response.REQUEST_TOO_LARGE
    assert inflated <= LIMIT


def test_empty_members_are_no_way_round() -> None:
    """Input that inflates to nothing is bounded, too."""
    assert _read([gzip.compress(b"") * 200], Gzip(100_000)) == answers.MALFORMED_ENCODING
    assert (
        _read([b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\0\0\0\xff\xff" * LIMIT], Gzip(LIMIT)) == response.REQUEST_TOO_LARGE
    )


def _read(pieces: Sequence[bytes], decoder: Gzip) -> bytes | Refusal:
    """Return a body that comes in pieces, or why it is refused."""
    parts: list[bytes] = []
    for piece in pieces:
        part = decoder.feed(piece)
        if isinstance(part, Refusal):
            return part
        parts.append(part)
    return decoder.fault() or b"".join(parts)


def _pieces(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)] or [b""]
