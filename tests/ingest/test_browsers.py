"""Pages of other origins: what a browser asks before it sends, and what it lets a page read."""

import pytest

from ingest import answers
from ingest.browsers import REQUEST_HEADERS, Browsers
from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.fake_server import ORIGIN, SLOW_KEY
from tests.ingest.wire import Reply, event, post, request

FROM = b"Origin: " + ORIGIN.encode()
RUDDERSTACK = b"anonymousid,authorization,content-type"


def ask(server: Server, *headers: bytes, path: bytes = b"/v1/batch") -> Reply:
    """Send a preflight."""
    said = (*headers, b"Access-Control-Request-Method: POST")
    return wire.exchange(server.http, request(b"OPTIONS", path, b"", *said))


@pytest.mark.parametrize(
    "asked",
    [
        RUDDERSTACK,
        b"authorization, content-type, x-retry-count",
        b"baggage,sentry-trace,traceparent,tracestate",
        b"Content-Encoding",
        b",".join(sorted(REQUEST_HEADERS)),
    ],
)
def test_a_preflight_is_answered_with_what_it_asks_for(browsers_server: Server, asked: bytes) -> None:
    """Every header that published SDKs and monitoring scripts send is allowed."""
    reply = ask(browsers_server, FROM, b"Access-Control-Request-Headers: " + asked)
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (204, ORIGIN)
    assert reply.headers["access-control-allow-methods"] == "POST"
    allowed = reply.headers["access-control-allow-headers"].split(", ")
    assert allowed == [name.strip() for name in asked.decode().lower().split(",")]


def test_the_allowed_headers_are_bounded(browsers_server: Server) -> None:
    """A header that nobody listed is not allowed, however often it is asked for."""
    asked = b"Access-Control-Request-Headers: x-other, authorization, cookie" + b", authorization" * 100
    assert ask(browsers_server, FROM, asked).headers["access-control-allow-headers"] == "authorization"
    for asked in (b"Access-Control-Request-Headers: x-other,,*", b"X-Nothing: asked"):
        assert "access-control-allow-headers" not in ask(browsers_server, FROM, asked).headers


def test_a_setting_adds_headers() -> None:
    """Whoever has a header of their own lists it."""
    answer = Browsers((ORIGIN,), ("x-tenant",)).preflight(b"X-Tenant,authorization,x-other")
    assert b"access-control-allow-headers: x-tenant, authorization\r\n" in answer.head


@pytest.mark.parametrize("body", [event(), b"{", b"[%s]" % event()])
def test_a_page_reads_every_answer(browsers_server: Server, body: bytes) -> None:
    """With credentials too: the exact origin, and that credentials may be."""
    reply = wire.exchange(browsers_server.http, post(body, FROM))
    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert reply.headers["vary"] == "origin"


def test_a_page_reads_the_answer_to_a_body_that_broke_off(browsers_server: Server) -> None:
    """The connection gives it, not the API, which knows the origin."""
    broken = request(b"POST", b"/v1/identify", b"zz\r\n", FROM, wire.BASIC, b"Transfer-Encoding: chunked")
    reply = wire.exchange(browsers_server.http, broken)
    assert (reply.status, reply.code) == (400, "malformed_request")
    assert reply.headers["access-control-allow-origin"] == ORIGIN


def test_a_page_reads_when_to_send_again(browsers_server: Server) -> None:
    """Retry-After is exposed: a page's script sees no other header of an answer."""
    limited = post(event(), FROM, b"Authorization: Bearer " + SLOW_KEY.encode(), key=False)
    replies = [wire.exchange(browsers_server.http, limited) for _ in range(3)]
    assert (replies[2].status, replies[2].headers["access-control-expose-headers"]) == (429, "retry-after")
    assert int(replies[2].headers["retry-after"]) >= 1


def test_another_origin_reads_nothing(browsers_server: Server) -> None:
    """Neither the answer to its preflight nor any other; a cache keeps the answers apart."""
    other = b"Origin: https://other.example"
    for reply in (
        wire.exchange(browsers_server.http, post(event(), other)),
        wire.exchange(browsers_server.http, post(event())),
        ask(browsers_server, other, b"Access-Control-Request-Headers: authorization"),
    ):
        assert not {
            name for name in reply.headers if name.startswith(("access-control-allow-o", "access-control-allow-c"))
        }
        assert reply.headers["vary"] == "origin"


def test_any_origin_is_without_credentials() -> None:
    """`*` lets every page read, without credentials (browsers refuse both together); a listed origin keeps them."""
    browsers = Browsers(("*",))
    head = browsers.readable(answers.ACCEPTED, ORIGIN.encode()).head
    assert b"access-control-allow-origin: *\r\n" in head
    assert b"credentials" not in head
    assert b"vary" not in head
    both = Browsers(("*", ORIGIN))
    assert b"access-control-allow-credentials: true\r\n" in both.readable(answers.ACCEPTED, ORIGIN.encode()).head
    other = both.readable(answers.ACCEPTED, b"https://other.example").head
    assert b"access-control-allow-origin: *\r\naccess-control-expose-headers: retry-after\r\nvary: origin\r\n" in other


def test_without_origins_nothing_is_said(server: Server) -> None:
    """By default browsers get no permission."""
    reply = wire.exchange(server.http, post(event(), FROM))
    assert not {name for name in reply.headers if name.startswith("access-control")}
