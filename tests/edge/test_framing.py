"""Where a request ends must never be a matter of opinion: what two readers could read differently is refused.

A proxy before ingest and ingest itself are those readers; the second request of each case is what an attacker would
smuggle past the first. RFC 9112, sections 2, 5, 6, 7 and 11.2.
"""

import gzip
import socket
from contextlib import suppress

import pytest

from ingest.intake import SAMPLE_BYTES
from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.wire import event, post, request

EVENT = event()
SLOW = event(traits={"email": "slow@example.com"})
LENGTH = b"Content-Length: %d" % len(EVENT)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)
START = b"POST /v1/i HTTP/1.1"
HOST = b"Host: localhost\r\n"
OFFER = (b"Connection: Upgrade", b"Upgrade: h2c")
LONG = b"X: " + b"x" * 40_000


def _raw(*lines: bytes, body: bytes = EVENT, start: bytes = START) -> bytes:
    """Return a request as given: nothing is added but a host and a good key."""
    return b"\r\n".join((start, b"Host: localhost", wire.BASIC, *lines, b"", body))


def _chunked(body: bytes, *lines: bytes) -> bytes:
    return _raw(CHUNKED, *lines, body=body)


def _lines(separator: bytes) -> bytes:
    """Return a request whose lines end with something else."""
    return separator.join((START, b"Host: localhost", wire.BASIC, LENGTH, b"", EVENT))


HOSTS = [b"", b"localhost:", b"a_b.example:8080", b"127.0.0.1", b"[::1]:80", b"a%20b", b"xn--bcher-kva.example"]

SMUGGLING = {
    "two lengths": _raw(LENGTH, b"Content-Length: 5"),
    "the same length twice": _raw(LENGTH, LENGTH),
    "a list of lengths": _raw(b"Content-Length: %d, %d" % (len(EVENT), len(EVENT))),
    "a negative length": _raw(b"Content-Length: -1"),
    "a length with a sign": _raw(b"Content-Length: +%d" % len(EVENT)),
    "a length in base 16": _raw(b"Content-Length: 0x10"),
    "an empty length": _raw(b"Content-Length:"),
    "a length of words": _raw(b"Content-Length: ten"),
    "a length in two parts": _raw(b"Content-Length: 1 0"),
    "a length with an underscore": _raw(b"Content-Length: 1_0"),
    "a length beyond 64 bits": _raw(b"Content-Length: 99999999999999999999999"),
    "a length before chunks": _raw(LENGTH, CHUNKED, body=CHUNKS),
    "a length after chunks": _raw(CHUNKED, LENGTH, body=CHUNKS),
    "a length and chunks in HTTP/1.0": _raw(LENGTH, CHUNKED, body=CHUNKS, start=START.replace(b"1.1", b"1.0")),
    "a length among the trailers": _chunked(CHUNKS[:-2] + b"Content-Length: 5\r\n\r\n"),
    "chunks twice": _raw(CHUNKED, CHUNKED, body=CHUNKS),
    "a coding before chunks": _raw(b"Transfer-Encoding: gzip, chunked", body=CHUNKS),
    "chunks in HTTP/1.0": _raw(CHUNKED, body=CHUNKS, start=START.replace(b"1.1", b"1.0")),
    "chunks not last": _raw(b"Transfer-Encoding: chunked, identity", body=CHUNKS),
    "an unknown coding": _raw(b"Transfer-Encoding: xchunked", body=CHUNKS),
    "no coding": _raw(b"Transfer-Encoding: identity"),
    "a coding in quotes": _raw(b'Transfer-Encoding: "chunked"', body=CHUNKS),
    "a coding after a vertical tab": _raw(b"Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "a space before a colon": _raw(b"Transfer-Encoding : chunked", body=CHUNKS),
    "a space before a length's colon": _raw(b"Content-Length : %d" % len(EVENT)),
    "a folded line": _raw(b"Transfer-Encoding:\r\n chunked", body=CHUNKS),
    "a space before the first line": _raw(LENGTH).replace(b"\r\nHost", b"\r\n Host"),
    "lines ended by LF": _lines(b"\n"),
    "one line ended by LF": _raw(LENGTH).replace(b"localhost\r\n", b"localhost\n"),
    "one line ended by CR": _raw(LENGTH).replace(b"localhost\r\n", b"localhost\r"),
    "CR within a line": _raw(b"X: a\rb", LENGTH),
    "NUL within a line": _raw(b"X: a\0b", LENGTH),
    "a line without a colon": _raw(b"nonsense", LENGTH),
    "a line without a name": _raw(b": x", LENGTH),
    "chunks ended by LF": _chunked(CHUNKS.replace(b"\r\n", b"\n")),
    "a chunk of 0x": _chunked(b"0x" + CHUNKS),
    "a chunk of less than nothing": _chunked(b"-1\r\n" + CHUNKS),
    "a chunk beyond 64 bits": _chunked(b"f" * 17 + b"\r\n" + CHUNKS),
    "a chunk of no length": _chunked(b"\r\n" + CHUNKS),
    "a space after a chunk's length": _chunked(CHUNKS.replace(b"\r\n", b" \r\n", 1)),
    "a chunk longer than it says": _chunked(CHUNKS.replace(b"\r\n0", b"xx\r\n0")),
    "a chunk shorter than it says": _chunked(CHUNKS.replace(EVENT, EVENT[:-2])),
    "a space before a chunk's length": _chunked(b" " + CHUNKS),
    "a tab after a chunk's length": _chunked(CHUNKS.replace(b"\r\n", b"\t\r\n", 1)),
    "a space after a chunk's extension": _chunked(CHUNKS.replace(b"\r\n", b";a=b \r\n", 1)),
    "an extension without a name": _chunked(CHUNKS.replace(b"\r\n", b" ; =b\r\n", 1)),
    "an extension whose quotes stay open": _chunked(CHUNKS.replace(b"\r\n", b' ; a="b\r\n', 1)),
    "a chunk whose data ends in LF": _chunked(CHUNKS.replace(b"\r\n0", b"\n0")),
    "a last chunk of a sign": _chunked(CHUNKS.replace(b"\r\n0", b"\r\n+0")),
    "a line break in a chunk's extension": _chunked(CHUNKS.replace(b"\r\n", b';a="\r\nb"\r\n', 1)),
    "a version of two digits": _raw(LENGTH, start=START.replace(b"1.1", b"1.10")),
    "version 0.9": _raw(LENGTH, start=START.replace(b"1.1", b"0.9")),
    "version 2.0": _raw(LENGTH, start=START.replace(b"1.1", b"2.0")),
    "version 2.0 that offers another": _raw(LENGTH, *OFFER, start=START.replace(b"1.1", b"2.0")),
    "RTSP without a method of HTTP": _raw(LENGTH, start=b"DESCRIBE /v1/i RTSP/3.0"),
    "no host": _raw(LENGTH).replace(HOST, b""),
    "a host of two words": _raw(LENGTH).replace(HOST, b"Host: a b\r\n"),
    "a host with a path": _raw(LENGTH).replace(HOST, b"Host: a/b\r\n"),
    "a host with a user": _raw(LENGTH).replace(HOST, b"Host: me@localhost\r\n"),
    "a host with a scheme": _raw(LENGTH).replace(HOST, b"Host: http://localhost\r\n"),
    "a host with a port of words": _raw(LENGTH).replace(HOST, b"Host: localhost:http\r\n"),
    "a host in half a bracket": _raw(LENGTH).replace(HOST, b"Host: [::1\r\n"),
    "a host with half an escape": _raw(LENGTH).replace(HOST, b"Host: a%2\r\n"),
    "a bad host in HTTP/1.0": _raw(LENGTH, start=START.replace(b"1.1", b"1.0")).replace(HOST, b"Host: a b\r\n"),
    "two hosts": _raw(LENGTH, b"host: localhost"),
    "two hosts in HTTP/1.0": _raw(LENGTH, b"host: localhost", start=START.replace(b"1.1", b"1.0")),
    "two keys": _raw(LENGTH, b"Authorization: Bearer other"),
    "two codings of a body": _raw(LENGTH, b"Content-Encoding: gzip", b"Content-Encoding: identity"),
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a10303"),
    "a tunnel": b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "a path with NUL": _raw(LENGTH, start=START.replace(b"/i", b"/i\0")),
}


@pytest.mark.parametrize("sent", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_can_be_read_in_two_ways_is_refused(server: Server, sent: bytes) -> None:
    """The answer is 400, then the connection is closed: what follows is never taken for a request."""
    with wire.connect(server.http) as link:
        link.sendall(sent + post())
        (reply,) = wire.answers(link)
    assert (reply.code, reply.headers["connection"]) == ("malformed_request", "close")


@pytest.mark.parametrize("sent", ["two lengths", "a length after chunks", "chunks ended by LF", "no host"])
def test_what_was_whole_before_it_is_answered(server: Server, sent: str) -> None:
    """A request before such a one gets its own answer, also while it is being worked on."""
    with wire.connect(server.http) as link:
        link.sendall(post(SLOW) + SMUGGLING[sent] + post())
        assert [reply.code for reply in wire.answers(link)] == ["", "malformed_request"]


@pytest.mark.parametrize(
    "sent",
    [
        _chunked(CHUNKS.replace(b"\r\n", b";a=b\r\n", 1)),
        _chunked(CHUNKS[:-2] + b"X-Checksum: 5\r\n\r\n"),
        _chunked(CHUNKS.replace(b"%x" % len(EVENT), b"000%X" % len(EVENT), 1)),
        _raw(b"Transfer-Encoding:\tChunked ", body=CHUNKS),
        _raw(b"Content-Length: 0000%d " % len(EVENT)),
        _raw(LENGTH, start=START.replace(b"/v1", b"http://localhost/v1")),
        b"\r\n" + _raw(LENGTH),
        _raw(LENGTH, b"X-Twice: a", b"X-Twice: b"),
        _chunked(CHUNKS[:-2] + HOST + b"\r\n"),
        _chunked(CHUNKS.replace(b"\r\n", b" ; a = b\r\n", 1)),
        _chunked(CHUNKS.replace(b"\r\n", b'\t;\ta = "b; \\"c" ;d\r\n', 1)),
        _raw(LENGTH, start=START.replace(b"1.1", b"1.2")),
        _raw(LENGTH, start=START.replace(b"1.1", b"1.9")),
        *(_raw(LENGTH).replace(HOST, b"Host: " + host + b"\r\n") for host in HOSTS),
    ],
    ids=[
        *("extension", "trailer", "zeros and capitals", "tab and capitals", "zeros", "absolute form", "line break"),
        *("a header twice", "a host among the trailers", "an extension with spaces", "several", "HTTP/1.2", "HTTP/1.9"),
        *(f"host {host.decode()!r}" for host in HOSTS),
    ],
)
def test_what_is_odd_but_clear_is_taken(server: Server, sent: bytes) -> None:
    """What can be read in one way only is read, and the next request after it."""
    with wire.connect(server.http) as link:
        link.sendall(sent + post())
        assert [reply.status for reply in wire.take(link, 2)] == [200, 200]


@pytest.mark.parametrize("trailer", [b"Authorization: Bearer other", b"Content-Encoding: gzip"])
def test_trailers_are_no_headers(server: Server, trailer: bytes) -> None:
    """What stands behind the body does not change who sent it or how it is read (RFC 9110, section 6.5.1)."""
    sent = _chunked(CHUNKS[:-2] + trailer + b"\r\n\r\n")
    assert wire.exchange(server.http, sent).status == 200


def test_a_key_among_the_trailers_is_none(server: Server) -> None:
    """A proxy that checks keys sees headers: a key behind the body must not count."""
    sent = request(b"POST", b"/v1/i", CHUNKS[:-2] + wire.BASIC + b"\r\n\r\n", CHUNKED)
    assert wire.exchange(server.http, sent).code == "missing_key"


BAD_TARGETS = [b"http://", b"http://localhost:99999999/"]


@pytest.mark.parametrize("target", BAD_TARGETS)
def test_a_target_that_is_no_url(server: Server, target: bytes) -> None:
    """It is refused as all that is malformed, and spoils no request before it."""
    assert wire.exchange(server.http, post(path=target)).code == "malformed_request"
    with wire.connect(server.http) as link:
        link.sendall(post(SLOW) + post(path=target))
        assert [reply.code for reply in wire.answers(link)] == ["", "malformed_request"]


def test_http_1_0_names_no_host(server: Server) -> None:
    """An old proxy's request is taken, and its connection closed."""
    with wire.connect(server.http) as link:
        link.sendall(_raw(LENGTH, start=START.replace(b"1.1", b"1.0")).replace(HOST, b""))
        assert [reply.status for reply in wire.answers(link)] == [200]


@pytest.mark.parametrize(
    "before", [b"", post(SLOW), post(event(x="x" * 30_000))], ids=["alone", "second", "after much"]
)
def test_a_long_head_in_one_piece(server: Server, before: bytes) -> None:
    """The limit of a head is the same however it is cut, and whatever it comes with."""
    with wire.connect(server.http) as link:
        link.sendall(before + post(EVENT, LONG))
        assert [reply.code for reply in wire.answers(link)] == [*([""] if before else []), "malformed_request"]


def test_a_long_head_that_began_with_the_end_of_another_request(server: Server) -> None:
    """What of a head came behind a body counts, too."""
    long = post(EVENT, LONG)
    with wire.connect(server.http) as link:
        link.sendall(post() + long[:39_000])
        link.sendall(long[39_000:])
        assert [reply.code for reply in wire.answers(link)] == ["", "malformed_request"]


@pytest.mark.parametrize("trailers", [LONG + b"\r\n\r\n", b"X: y\r\n" * 7_000 + b"\r\n"], ids=["one", "many"])
def test_long_trailers_in_one_piece(server: Server, trailers: bytes) -> None:
    """Trailers may be as long as a head; beyond, the request is refused, and none before it."""
    with wire.connect(server.http) as link:
        link.sendall(post(SLOW) + _chunked(CHUNKS[:-2] + trailers) + post())
        assert [reply.code for reply in wire.answers(link)] == ["", "malformed_request"]


@pytest.mark.parametrize("begun", [CHUNKS[:-2] + b"X: ", b"5;a="], ids=["a trailer", "an extension"])
def test_what_does_not_end_around_a_body(server: Server, begun: bytes) -> None:
    """What is neither head nor body is cut off soon after the same limit, with an answer."""
    with wire.connect(server.http) as link:
        link.sendall(_chunked(begun))
        with suppress(ConnectionError):  # it was cut off amid this; the answer is there
            link.sendall(b"x" * 400_000)
        assert wire.answer(link).code == "malformed_request"


def test_a_head_up_to_the_limit(server: Server) -> None:
    """A head of 30 KiB passes: a proxy's cookies and traces."""
    assert wire.exchange(server.http, post(EVENT, b"X: " + b"x" * 30 * 1024)).status == 200


def test_a_head_without_end(server: Server) -> None:
    """A head is cut off soon after its limit, with an answer, however many lines it has."""
    with wire.connect(server.http) as link:
        link.sendall(START + b"\r\n")
        for _ in range(10):
            link.sendall(b"X: y\r\n" * 1000)
        assert wire.answer(link).code == "malformed_request"


def test_a_length_that_nobody_will_send(server: Server) -> None:
    """A body announced as 16 exabytes is too large, as soon as enough of it came to be recorded."""
    sent = _raw(b"Content-Length: %d" % (2**64 - 1)) + b" " * SAMPLE_BYTES
    with wire.connect(server.http) as link:
        link.sendall(sent)
        reply = wire.answer(link)
        assert (reply.code, reply.headers["connection"]) == ("request_too_large", "close")
        assert wire.is_closed(link)


@pytest.mark.parametrize("length", [len(EVENT) - 1, 5])
def test_a_length_that_is_too_small(server: Server, length: int) -> None:
    """What is left over of a body is not HTTP: the event is refused, and so is the rest."""
    with wire.connect(server.http) as link:
        link.sendall(_raw(b"Content-Length: %d" % length) + post())
        assert [reply.code for reply in wire.answers(link)] == ["malformed_json", "malformed_request"]


def test_a_bomb_on_the_wire(server: Server) -> None:
    """Of a hundred megabytes in a hundred kilobytes the server's memory does not grow: they are refused."""
    before = wire.metric(server.admin, "process_resident_memory_bytes")
    bomb = gzip.compress(bytes(100_000_000), 9)
    for _ in range(3):
        assert wire.exchange(server.http, post(bomb, b"Content-Encoding: gzip")).code == "request_too_large"
    assert wire.metric(server.admin, "process_resident_memory_bytes") - before < 30_000_000


def test_gzip_that_ends_too_soon(server: Server) -> None:
    """A compressed body that is cut, or damaged in its last byte, is refused; the connection serves on."""
    whole = gzip.compress(EVENT)
    with wire.connect(server.http) as link:
        for body in (whole[:-1], whole[:20], whole[:-1] + bytes([whole[-1] ^ 1]), whole + b"x"):
            link.sendall(post(body, b"Content-Encoding: gzip"))
            assert wire.answer(link).code == "malformed_encoding"
        link.sendall(post(whole, b"Content-Encoding: gzip"))
        assert wire.answer(link).status == 200


def test_many_requests_in_one_piece(server: Server) -> None:
    """Five hundred requests sent at once are answered, all of them and in order."""
    bodies = [event(traits={"email": f"p{number}@example.com"}) if number % 3 else b"{" for number in range(500)]
    with wire.connect(server.http) as link:
        link.sendall(b"".join(post(body) for body in bodies))
        assert [reply.status for reply in wire.take(link, 500)] == [400 if body == b"{" else 200 for body in bodies]


def test_half_open(server: Server) -> None:
    """A client that says nothing more within a request, and one that only ended its half, both get their answer."""
    with wire.connect(server.http) as silent, wire.connect(server.http) as ended:
        silent.sendall(_raw(b"Content-Length: 1000", body=b""))
        ended.sendall(post(SLOW))
        ended.shutdown(socket.SHUT_WR)
        assert [reply.status for reply in wire.answers(ended)] == [200]
        assert [reply.code for reply in wire.answers(silent)] == ["too_slow"]


@pytest.mark.parametrize(
    "options",
    [
        *([b"Connection: close"], [b"Connection: upgrade, close"], [b"Connection: keep-alive ,\tClose"]),
        *([b"Connection: x", b"Connection: close"], [b"Connection: Upgrade, close", b"Upgrade: h2c"]),
        [b"Connection: close, HTTP2-Settings", b"Upgrade: h2c", b"Connection: upgrade", b"HTTP2-Settings: AAMAAABk"],
    ],
)
def test_close_among_other_options(server: Server, options: list[bytes]) -> None:
    """A client that says anywhere among its options that it closes gets its answer and the end (RFC 9112, 9.6)."""
    with wire.connect(server.http) as link:
        link.sendall(_raw(LENGTH, *options))
        (reply,) = wire.answers(link)
    assert (reply.status, reply.headers["connection"]) == (200, "close")


@pytest.mark.parametrize(
    "pieces", [[b"FOO"], [b"F", b"OO"], [b"post"], [b"PO", b"STS"], [b"PLAY"], [b"\r\nG-T"], [b"FLUSH"]]
)
def test_a_method_that_nobody_knows(server: Server, pieces: list[bytes]) -> None:
    """It is 501 (RFC 9110, section 15.6.2), in whatever pieces it comes; the connection is closed."""
    *first, last = pieces
    rest = last + b" /v1/i HTTP/1.1\r\n" + HOST + b"\r\n"
    with wire.connect(server.http) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (*first, rest[:-20], rest[-20:]):
            link.sendall(piece)
        (reply,) = wire.answers(link)
    assert (reply.status, reply.code, reply.headers["connection"]) == (501, "unknown_method", "close")
