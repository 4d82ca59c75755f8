"""Bodies: limits hold while they arrive."""

import asyncio
import gzip
import zlib
from collections.abc import MutableMapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest import answers
from ingest.answers import Refusal
from ingest.body import DISCARD_LIMIT_BYTES, Gone, Gzip, Incoming, Plain, read
from ingest.load import Load, Share

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
    for size, expected in ((LIMIT, b" " * LIMIT), (LIMIT + 1, answers.REQUEST_TOO_LARGE)):
        assert _read([b" " * size], Plain(LIMIT)) == expected
        assert _read([gzip.compress(b" " * size)], Gzip(LIMIT)) == expected


def test_bomb_is_refused_while_it_inflates() -> None:
    """Of a bomb no more than the limit is ever inflated, and nothing is read once that is known."""
    bomb = zlib.compress(b" " * 10_000_000, wbits=31)
    incoming = Incoming(_receive(_pieces(bomb, 100)), expects_continue=False)
    load = Load()
    with Share(load) as share:
        assert asyncio.run(read(incoming, Gzip(LIMIT), share.hold)) == answers.REQUEST_TOO_LARGE
        assert load.bytes.held <= LIMIT
    assert not incoming.complete


def test_empty_members_are_no_way_round() -> None:
    """Input that inflates to nothing is bounded, too."""
    assert _read([gzip.compress(b"") * 200], Gzip(100_000)) == answers.MALFORMED_ENCODING
    assert (
        _read([b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"\0\0\0\xff\xff" * LIMIT], Gzip(LIMIT)) == answers.REQUEST_TOO_LARGE
    )


def test_no_room() -> None:
    """A body for which the process has no room is refused before it is whole."""
    incoming = Incoming(_receive([b"x"] * 10), expects_continue=False)
    assert asyncio.run(read(incoming, Plain(LIMIT), lambda _: False)) == answers.OVERLOADED
    assert incoming.wire_bytes == 1


def test_client_leaves() -> None:
    """Of a client that left amid its body there is nothing to read, and no one to answer."""
    incoming = Incoming(_receive([b"x", None]), expects_continue=False)
    assert asyncio.run(read(incoming, Plain(LIMIT), lambda _: True)) is Gone.GONE


def test_discarding() -> None:
    """What is thrown away is read to its end if that is near; a client that waits for a go-ahead gets none."""
    near = Incoming(_receive([b"x"] * 10), expects_continue=False)
    asyncio.run(near.discard())
    assert near.complete
    far = Incoming(_receive([b"x" * 1_000_000] * 100), expects_continue=False)
    asyncio.run(far.discard())
    assert not far.complete
    assert far.wire_bytes <= DISCARD_LIMIT_BYTES + 1_000_000
    waiting = Incoming(_receive([b"x"]), expects_continue=True)
    asyncio.run(waiting.discard())
    assert waiting.wire_bytes == 0


def _read(chunks: Sequence[bytes | None], decoder: Plain | Gzip) -> object:
    return asyncio.run(read(Incoming(_receive(chunks), expects_continue=False), decoder, lambda _: True))


def _receive(chunks: Sequence[bytes | None]) -> Any:
    """Return ASGI's `receive` of a body in chunks; None: the client leaves."""
    left = list(chunks)

    async def receive() -> MutableMapping[str, Any]:
        chunk = left.pop(0) if left else b""
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    return receive


def _pieces(content: bytes, size: int) -> list[bytes | None]:
    return [content[at : at + size] for at in range(0, len(content), size)] or [b""]
