"""What clients do on a connection, well-meant or not: each gets its answer or a clean close, and the server goes on."""

import gzip
import json
import socket
import struct
import threading

import pytest

from ingest import intake
from ingest.http import deadlines
from ingest.http.listener import TICK_SECONDS
from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.wire import event, post, request

SLOW = event(traits={"email": "slow@example.com"})


def test_keep_alive(server: Server) -> None:
    """A connection serves one request after the other, refused ones, too."""
    with wire.connect(server.http) as link:
        for body, status in ((event(), 200), (b"{", 400), (b" " * 600_000, 413), (event(), 200)):
            link.sendall(post(body))
            reply = wire.answer(link)
            assert (reply.status, reply.headers.get("connection")) == (status, None)


def test_pipelining(server: Server) -> None:
    """Requests sent at once are answered in order."""
    bodies = (SLOW, b"{", event(), b"5")
    with wire.connect(server.http) as link:
        link.sendall(b"".join(post(body) for body in bodies))
        assert [reply.code for reply in wire.take(link, 4)] == ["", "malformed_json", "", "not_an_object"]


def test_pipelined_requests_are_worked_on_side_by_side(server: Server) -> None:
    """A dozen that take half a second each are all begun at once: the last has its answer in time, too."""
    with wire.connect(server.http) as link:
        link.sendall(post(SLOW) * 12)
        wire.until(lambda: wire.metric(server.admin, "daymark_ingest_requests_in_flight") == 12)
        assert [reply.status for reply in wire.take(link, 12)] == [200] * 12


def test_nothing_is_taken_behind_the_last_request(server: Server) -> None:
    """What follows a request that says it is the connection's last is not read (RFC 9112, section 9.6)."""
    with wire.connect(server.http) as link:
        link.sendall(post(event(), b"Connection: close") + post())
        (reply,) = wire.answers(link)
    assert (reply.status, reply.headers["connection"]) == (200, "close")


def test_nonsense_after_requests(server: Server) -> None:
    """Whole requests are answered before nonsense behind them is."""
    with wire.connect(server.http) as link:
        link.sendall(post(SLOW) + post() + b"nonsense\r\n\r\n")
        assert [reply.status for reply in wire.answers(link)] == [200, 200, 400]


def test_half_a_request_after_a_whole_one(server: Server) -> None:
    """A request whose chunks are broken spoils no other, even while that one is still being answered."""
    broken = request(b"POST", b"/v1/i", b"zz\r\n", b"Transfer-Encoding: chunked", wire.BASIC)
    with wire.connect(server.http) as link:
        link.sendall(post(SLOW) + broken)
        assert [reply.code for reply in wire.answers(link)] == ["", "malformed_request"]


def test_body_longer_than_its_length(server: Server) -> None:
    """What follows a body is the next request: here it is none."""
    with wire.connect(server.http) as link:
        link.sendall(post(event() + b"more", b"Content-Length: %d" % len(event())))
        assert [reply.status for reply in wire.answers(link)] == [200, 400]


def test_line_after_the_body(server: Server) -> None:
    """Some clients end a body with a line break that its length leaves out."""
    with wire.connect(server.http) as link:
        link.sendall(post() + b"\r\n" + post())
        assert [reply.status for reply in wire.take(link, 2)] == [200, 200]


@pytest.mark.parametrize("ending", ["shutdown", "close", "reset"])
@pytest.mark.parametrize("sent", [b"POST /v1/i", post(event(), b"Content-Length: 1000")])
def test_client_that_leaves(server: Server, ending: str, sent: bytes) -> None:
    """A client that leaves amid a request leaves nothing behind."""
    with wire.connect(server.http) as link:
        link.sendall(sent)
        if ending == "shutdown":
            link.shutdown(socket.SHUT_WR)
        if ending == "reset":
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.until(lambda: wire.metric(server.admin, "daymark_ingest_connections") == 0)


def test_expectation(server: Server) -> None:
    """A client that sends `Expect` gets 100 Continue, or is refused before sending anything."""
    ask = (b"Expect: 100-continue", b"Content-Length: %d" % len(event()))
    with wire.connect(server.http) as link:
        link.sendall(post(b"", *ask))
        assert link.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        link.sendall(event())
        assert wire.answer(link).status == 200
    with wire.connect(server.http) as link:
        link.sendall(post(b"", b"Expect: 100-continue", b"Content-Length: 5000000"))
        reply = wire.answer(link)
        assert (reply.code, reply.headers["connection"]) == ("request_too_large", "close")
        assert wire.is_closed(link)


def test_expectation_behind_another_request(server: Server) -> None:
    """100 Continue comes after the responses to earlier requests."""
    with wire.connect(server.http) as link:
        link.sendall(post(SLOW) + post(b"", b"Expect: 100-continue", b"Content-Length: %d" % len(event())))
        data = b""
        while not data.endswith(b"HTTP/1.1 100 Continue\r\n\r\n"):
            data += link.recv(65536)
        assert data.startswith(b"HTTP/1.1 200 OK\r\n")
        link.sendall(event())
        assert wire.answer(link).status == 200


def test_an_expectation_of_http_1_0(server: Server) -> None:
    """It is not answered, as HTTP/1.0 knows no such word (RFC 9110, section 10.1.1)."""
    sent = post(event(), b"Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    with wire.connect(server.http) as link:
        link.sendall(sent[: -len(event())])
        link.sendall(event())
        assert link.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("body", [event(), b"[%s]" % event(), b""])
def test_offer_of_http_2(server: Server, body: bytes) -> None:
    """Java's HttpClient offers HTTP/2 with its first request: the offer is declined, the body is not lost."""
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk")
    with wire.connect(server.http) as link:
        link.sendall(post(body, *offer) * 2 + post())
        assert [reply.status for reply in wire.take(link, 3)] == [200 if body else 400] * 2 + [200]


def test_half_closed(server: Server) -> None:
    """A client that says it has no more to send still gets the answers to what it sent."""
    with wire.connect(server.http) as link:
        link.sendall(post(SLOW) + post(b"{"))
        link.shutdown(socket.SHUT_WR)
        assert [reply.status for reply in wire.answers(link)] == [200, 400]


def test_byte_by_byte(server: Server) -> None:
    """A request may come in any pieces."""
    whole = post(gzip.compress(event()), b"Content-Encoding: gzip")
    with wire.connect(server.http) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(whole)):
            link.sendall(whole[at : at + 1])
        assert wire.answer(link).status == 200


def test_head(server: Server) -> None:
    """HEAD gets the head that GET would, and no body."""
    with wire.connect(server.http) as link:
        link.sendall(request(b"HEAD", b"/openapi.json", b"") + request(b"HEAD", b"/v1/i", b""))
        link.shutdown(socket.SHUT_WR)
        data = _all(link)
    heads = data.split(b"\r\n\r\n")
    assert [head.split(b" ")[1] for head in heads if head] == [b"200", b"405"]


def test_endless_stream_is_cut(server: Server) -> None:
    """A refused body is read on for a while, as clients look for the answer only then; not for ever."""
    endless = request(b"POST", b"/v1/i", b"", b"Transfer-Encoding: chunked", b"Authorization: Bearer x")
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with wire.connect(server.http) as link, pytest.raises(ConnectionError):  # noqa: PT012  where it breaks is the kernel's
        link.sendall(endless)
        for _ in range(64):
            link.sendall(chunk)
        raise AssertionError("64 MB were taken")


def test_slow_clients(server: Server) -> None:
    """Whatever trickles in is cut off within the time that is promised: with an answer, and the connection closed."""
    chunked = request(b"POST", b"/v1/i", b"", b"Transfer-Encoding: chunked", wire.BASIC)
    beginnings = {
        "no body": post(b"", b"Content-Length: 1000"),
        "half a body": post(event(), b"Content-Length: 1000"),
        "chunks without end": chunked,
        "no body, and refused": post(b"", b"Content-Length: 1000", b"Authorization: Bearer x", key=False),
        "half a head": b"POST /v1/identify HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "one byte": b"P",
        "line breaks": b"\r\n",
    }
    links = {name: wire.connect(server.http) for name in beginnings}
    for name, link in links.items():
        link.sendall(beginnings[name])
    codes = {name: [reply.code for reply in wire.answers(link)] for name, link in links.items()}
    assert codes == {name: ["unknown_key" if "refused" in name else "too_slow"] for name in beginnings}
    for link in links.values():
        link.close()


def test_trickling_body(server: Server) -> None:
    """A body of which a byte comes now and then does not hold its connection either."""
    ended = threading.Event()
    with wire.connect(server.http) as link:
        link.sendall(post(b"", b"Content-Length: 1000"))
        feeder = threading.Thread(target=_feed, args=(link, ended))
        feeder.start()
        try:
            assert wire.answer(link).code == "too_slow"
        finally:
            ended.set()
            feeder.join()


def test_delivery_that_is_late(server: Server) -> None:
    """Past the deadline the answer is 503, whether Kafka will still take the event or not."""
    assert wire.exchange(server.http, post(event(traits={"email": "late@example.com"}))).code == "unavailable"


def test_times_keep_the_promise() -> None:
    """Body, head and delivery have their ends before the five seconds that are promised."""
    assert max(intake.ANSWER_SECONDS, deadlines.REQUEST_SECONDS + TICK_SECONDS) < 5


def test_health(server: Server) -> None:
    """Health and metrics have a port of their own, and answer there only."""
    assert _get(server.admin, b"/livez") == (200, {"alive": True, "reason": ""})
    assert _get(server.admin, b"/readyz") == (200, {"ready": True, "reason": ""})
    assert _get(server.admin, b"/")[0] == 404
    with wire.connect(server.admin) as link:
        link.sendall(request(b"POST", b"/livez", b"xx"))
        assert wire.answer(link).headers["allow"] == "GET, HEAD"
    assert wire.exchange(server.http, request(b"GET", b"/livez", b"")).status == 404


def _get(address: wire.Address, path: bytes) -> tuple[int, object]:
    with wire.connect(address) as link:
        link.sendall(request(b"GET", path, b"", b"Connection: close"))
        head, _, body = _all(link).partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


def _all(link: socket.socket) -> bytes:
    data = b""
    while more := link.recv(65536):
        data += more
    return data


def _feed(link: socket.socket, ended: threading.Event) -> None:
    while not ended.wait(0.2):
        try:
            link.sendall(b"x")
        except OSError:
            return
