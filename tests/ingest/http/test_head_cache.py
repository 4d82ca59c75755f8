"""A head that is known means what it meant when it was parsed, to whoever answers, and is soon forgotten."""

import pytest

from ingest.http.broken import Broken
from ingest.http.exchange import Head
from ingest.http.framing import Framing
from ingest.http.head_cache import _LONGEST_BYTES, _MOST, FORGET_SECONDS, HeadCache, Parsed
from ingest.http.response import MALFORMED_REQUEST

POST = b"POST /v1/i?a HTTP/1.1\r\nHost: h\r\nAuthorization: Basic a2V5Og==\r\nContent-Length: 4\r\n\r\n"
GET = b"GET /livez HTTP/1.1\r\nhost: h\r\n\r\n"
REQUESTS = {
    "post": [POST + b"body"],
    "get": [GET],
    "body in pieces": [POST, b"bo", b"dy"],
    "head in pieces": [POST[:30], POST[30:] + b"body"],
    "pipelined": [POST + b"body" + GET + GET],
    "last": [GET.replace(b"host", b"Connection: close\r\nhost")],
    "expecting": [POST.replace(b"Host", b"Expect: 100-continue\r\nHost"), b"body"],
    "expecting, at once": [POST.replace(b"Host", b"Expect: 100-continue\r\nHost") + b"body"],
    "chunked": [GET.replace(b"host", b"Transfer-Encoding: chunked\r\nhost") + b"2\r\nab\r\n0\r\n\r\n"],
    "1.0": [GET.replace(b"1.1", b"1.0")],
    "offer": [POST.replace(b"Host", b"Connection: upgrade\r\nUpgrade: h2c\r\nHost") + b"body"],
}
Said = list[object]


class Told:
    """Writes down what a connection's requests come to."""

    def __init__(self, heads: HeadCache) -> None:
        self.said: Said = []
        self._framing = Framing(self, heads)

    def begin(self, head: Head, last: bool, awaits_word: bool) -> "Told":  # noqa: FBT001  as the port says
        self.said.append((head.method, head.path, dict(head.headers), last, awaits_word))
        return self

    def feed(self, data: bytes) -> bool:
        self.said += data
        return True

    def end(self) -> None:
        self.said.append("end")

    def read(self, pieces: list[bytes]) -> Said:
        """Return what so many bytes come to."""
        self.said = []
        for piece in pieces:
            self._framing.read(piece)
            while self._framing.more:
                self._framing.read()
        return self.said


@pytest.mark.parametrize("pieces", REQUESTS.values(), ids=REQUESTS)
def test_a_known_head_means_what_it_meant(pieces: list[bytes]) -> None:
    """On its own connection and on another one, and so does what follows it."""
    heads = HeadCache()
    first, second = Told(heads), Told(heads)
    parsed = first.read(pieces)
    assert "end" in parsed
    assert second.read([POST + b"last"]) == second.read([POST + b"last"])
    assert second.read(pieces) == parsed
    if parsed[0][3] is False:  # type: ignore[index]  # the connection goes on
        assert second.read(pieces) == first.read(pieces) == parsed


def test_a_known_head_does_without_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(HeadCache())
    told.read([POST + b"body"])
    monkeypatch.setattr(Framing, "on_message_begin", lambda _: pytest.fail("it was parsed again"))
    assert told.read([POST + b"body"])[-1] == "end"


def test_what_is_refused_is_refused_again() -> None:
    heads = HeadCache()
    for _ in range(2):
        with pytest.raises(Broken) as refused:
            Told(heads).read([POST.replace(b"Host: h", b"Host: a b") + b"body"])
        assert refused.value.why is MALFORMED_REQUEST


def test_heads_are_forgotten() -> None:
    """API keys stand in them."""
    heads, parsed = HeadCache(), Parsed(Head(b"GET", b"/", {}), 0)
    heads.forget(100.0)
    heads.keep(GET, parsed)
    heads.forget(99.9 + FORGET_SECONDS)
    assert heads.find(GET) is parsed
    heads.forget(100.0 + FORGET_SECONDS)
    assert heads.find(GET) is None


def test_few_heads_are_kept_and_no_long_ones() -> None:
    heads, parsed = HeadCache(), Parsed(Head(b"GET", b"/", {}), 0)
    long = b"x" * (_LONGEST_BYTES + 1)
    heads.keep(long, parsed)
    raws = [b"%d" % number for number in range(_MOST + 1)]
    for raw in raws:
        heads.keep(raw, parsed)
    assert heads.find(long) is None
    assert sum(heads.find(raw) is not None for raw in raws) == _MOST
