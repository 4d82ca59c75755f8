"""Every line of the contract's tables of status codes and reasons, through a real socket (sections 2 and 3)."""

import gzip
import json
from codecs import BOM_UTF8
from datetime import UTC, datetime, timedelta

import pytest

from ingest import answers
from schemas.rejections import Reason
from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.fake_server import KEY, SECRET, SIGNED_KEY
from tests.ingest.wire import event, post, request

LIMIT = 4 << 20
LATER = (datetime.now(UTC) + timedelta(days=2)).isoformat()
GZIP = b"Content-Encoding: gzip"
SIGNED = b"Authorization: Bearer " + SIGNED_KEY.encode()

ACCEPTED = {
    "an event": post(),
    "its alias": post(path=b"/v1/i"),
    "a trailing slash": post(path=b"/v1/identify/"),
    "a query": post(path=b"/v1/identify?x=1"),
    "an absolute URL": post(path=b"http://localhost/v1/identify"),
    "no type": post(b'{"timestamp":"2020-05-31","email":"a@b.co"}'),
    "another content type": post(event(), b"Content-Type: text/plain"),
    "gzip": post(gzip.compress(event()), GZIP),
    "gzip in any case": post(gzip.compress(event()), b"content-encoding: GZIP"),
    "gzip in two members": post(gzip.compress(event()[:9]) + gzip.compress(event()[9:]), GZIP),
    "gzip under its old name": post(gzip.compress(event()), b"Content-Encoding: X-GZip"),
    "a byte order mark": post(BOM_UTF8 + event()),
    "a byte order mark, inflated": post(gzip.compress(BOM_UTF8 + event()), GZIP),
    "a byte order mark before a list": post(BOM_UTF8 + b"[%s]" % event()),
    "a byte order mark before a batch": post(BOM_UTF8 + b'{"batch":[%s]}' % event(), path=b"/v1/batch"),
    "a byte order mark before a key in the body": post(BOM_UTF8 + event(writeKey=KEY), key=False),
    "no encoding": post(event(), b"Content-Encoding: identity"),
    "a key without a colon": post(event(), b"Authorization: Basic ZGtfdGVzdA==", key=False),
    "a key that is not base64": post(event(), b"Authorization: Basic dk_test", key=False),
    "a bearer's key": post(event(), b"Authorization: Bearer " + KEY.encode(), key=False),
    "a key in the body": post(event(writeKey=KEY), key=False),
    "no key in the header, one in the body": post(event(writeKey=KEY), b"Authorization: Basic Og==", key=False),
    "32 KiB": post(event(pad="x" * (32 * 1024 - len(event(pad=""))))),
    "a lone surrogate": post(event(event="\ud83d")),
    "a number of 5000 digits": post(event(traits={"email": "a@b.co", "n": 1})[:-2] + b',"m":' + b"9" * 5000 + b"}}"),
    "duplicate keys": post(event()[:-1] + b',"timestamp":"2021-01-01"}'),
    "an escaped NUL": post(event(event="a\0b")),
    "chunks": request(
        b"POST", b"/v1/i", b"%x\r\n%s\r\n0\r\n\r\n" % (len(event()), event()), b"Transfer-Encoding: chunked", wire.BASIC
    ),
    "a list": post(b"[%s]" % event()),
    "a list that signs its first event": post(
        b"[%s,%s]" % (event(), event(n=1)), SIGNED, b"x-signature: " + SECRET.sign(event()), key=False
    ),
    "a batch": post(b'{"batch":[%s]}' % event(), path=b"/v1/batch"),
    "the batch's aliases": post(b'{"batch":[%s]}' % event(), path=b"/v1/import/"),
    "the batch's short alias": post(b'{"batch":[%s]}' % event(), path=b"/v1/b"),
    "a batch with a key in the body": post(
        b'{"batch":[%s],"writeKey":"%s"}' % (event(), KEY.encode()), path=b"/v1/batch", key=False
    ),
    "a batch with a lone surrogate": post(b'{"batch":[%s]}' % event(event="\ud83d"), path=b"/v1/b"),
    "an empty batch": post(b'{"batch":[]}', path=b"/v1/b"),
    "exactly the limit": post((b'{"batch":[%s]}' % event()).ljust(LIMIT), path=b"/v1/b"),
    "exactly the limit, inflated": post(gzip.compress((b'{"batch":[%s]}' % event()).ljust(LIMIT)), GZIP, path=b"/v1/b"),
    "4,000 events": post(b'{"batch":[%s%s]}' % (event(), b",1" * 3999), path=b"/v1/b"),
}

REFUSED = {
    "malformed_json": post(b"{"),
    "malformed_json: empty": post(b""),
    "malformed_json: not UTF-8": post(event()[:-1] + b',"x":"\xff"}'),
    "malformed_json: deep": post(event()[:-1] + b',"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
    "malformed_json: too deep to end": post(b"[" * 400_000),
    "malformed_json: a deep batch": post(b'{"batch":[%s]}' % (b"[" * 200_000), path=b"/v1/batch"),
    "malformed_json: a deep body to find a key in": post(b'{"x":' + b"[" * 200_000, key=False),
    "malformed_json: a NUL": post(b'{"timestamp":"2020-05-31","email":"a\0@b.co"}'),
    "malformed_json: NaN": post(event()[:-1] + b',"x":NaN}'),
    "malformed_json: two byte order marks": post(BOM_UTF8 * 2 + event()),
    "malformed_json: a byte order mark within": post(b"[" + BOM_UTF8 + event() + b"]"),
    "malformed_json: half a byte order mark": post(BOM_UTF8[:2] + event()),
    "malformed_json: UTF-16": post(event().decode().encode("utf-16")),
    "malformed_json: a batch": post(b'{"batch":[1,]}', path=b"/v1/batch"),
    "malformed_json: a list": post(b"[1"),
    "malformed_json: before a key is found": post(b'{"writeKey":"dk_test"', key=False),
    "not_an_object": post(b"5"),
    "not_an_object: a batch": post(b"[%s]" % event(), path=b"/v1/batch"),
    "too_large": post(event(pad="x" * (32 * 1024 + 1 - len(event(pad=""))))),
    "unsupported_type": post(event(type="track")),
    "missing_email": post(event(traits={})),
    "invalid_email": post(event(traits={"email": "a@b@c"})),
    "invalid_email: a lone surrogate": post(event(traits={"email": "\ud83d@b.co"})),
    "missing_timestamp": post(b'{"email":"a@b.co"}'),
    "invalid_timestamp": post(event(timestamp="NOW")),
    "timestamp_in_future": post(event(timestamp=LATER)),
    "malformed_request": b"what is this\r\n\r\n",
    "malformed_request: no number": request(b"POST", b"/v1/i", b"", b"Content-Length: many"),
    "malformed_request: two lengths": request(b"POST", b"/v1/i", b"xx", b"Content-Length: 1", b"Content-Length: 2"),
    "malformed_request: chunks and a length": request(
        b"POST", b"/v1/i", b"0\r\n\r\n", b"Content-Length: 5", b"Transfer-Encoding: chunked"
    ),
    "malformed_request: a chunk": request(b"POST", b"/v1/i", b"zz\r\n", b"Transfer-Encoding: chunked", wire.BASIC),
    "malformed_request: a great head": request(b"POST", b"/v1/i", b"", b"X: " + b"x" * 200_000),
    "malformed_request: many headers": request(b"POST", b"/v1/i", b"", *(b"X%d: x" % n for n in range(20_000))),
    "malformed_request: a tunnel": request(b"CONNECT", b"localhost:1", b""),
    "malformed_request: TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 200,
    "malformed_request: HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "malformed_encoding": post(b"x", GZIP),
    "malformed_encoding: truncated": post(gzip.compress(event())[:-5], GZIP),
    "malformed_encoding: empty": post(b"", GZIP),
    "malformed_encoding: more behind it": post(gzip.compress(event()) + b"more", GZIP),
    "malformed_encoding: a great many members": post(gzip.compress(b"") * 5_000, GZIP),
    "missing_batch": post(event(), path=b"/v1/batch"),
    "missing_batch: no list": post(b'{"batch":{}}', path=b"/v1/batch"),
    "missing_key": post(key=False),
    "missing_key: in a list": post(b"[%s]" % event(writeKey=KEY), key=False),
    "missing_key: in another scheme": post(event(), b'Authorization: Digest username="dk_test"', key=False),
    "unknown_key": post(event(), b"Authorization: Basic eDo=", key=False),
    "unknown_key: not UTF-8": post(event(), b"Authorization: Bearer \xff\xfe", key=False),
    "unknown_key: in the body": post(event(writeKey="x"), key=False),
    "unknown_key: no second look": post(event(writeKey=KEY), b"Authorization: Bearer x", key=False),
    "unknown_key: before the body is read": post(b"x" * 4_000_000, b"Authorization: Bearer x", key=False),
    "missing_signature": post(event(), SIGNED, key=False),
    "missing_signature: before the body is read": post(b"x" * 4_000_000, SIGNED, key=False),
    "wrong_signature": post(event(), SIGNED, b"X-Signature: " + SECRET.sign(b"other"), key=False),
    "wrong_signature: of a later event": post(
        b"[%s,%s]" % (event(), event(n=1)), SIGNED, b"X-Signature: " + SECRET.sign(event(n=1)), key=False
    ),
    "not_found": post(path=b"/v2/identify"),
    "not_found: root": request(b"GET", b"/", b""),
    "not_found: encoded": post(path=b"/v1/%69dentify"),
    "not_found: two slashes": post(path=b"//v1/identify"),
    "not_found: OPTIONS": request(b"OPTIONS", b"/x", b""),
    "method_not_allowed": request(b"GET", b"/v1/identify", b""),
    "method_not_allowed: OPTIONS": request(b"OPTIONS", b"/v1/identify", b""),
    "method_not_allowed: description": request(b"POST", b"/openapi.json", b""),
    "method_not_allowed: other calls": request(b"DELETE", b"/v1/track", b""),
    "unknown_method": request(b"FOO", b"/v1/identify", b""),
    "request_too_large": post(b" " * (LIMIT + 1)),
    "request_too_large: 8 MB": post(b" " * 8_000_000),
    "request_too_large: inflated": post(gzip.compress(b" " * (LIMIT + 1)), GZIP),
    "request_too_large: a bomb": post(gzip.compress(b" " * 100_000_000), GZIP),
    "request_too_large: a bomb of bombs": post(gzip.compress(b" " * 50_000_000) * 2, GZIP),
    "request_too_large: not told": request(
        b"POST",
        b"/v1/i",
        (b"10000\r\n" + b" " * 65536 + b"\r\n") * 65 + b"0\r\n\r\n",
        b"Transfer-Encoding: chunked",
        wire.BASIC,
    ),
    "request_too_large: with its defaults": post(
        b'{"batch":[%s],"context":{"pad":"%s"}}' % (b",".join([b"{}"] * 2000), b"x" * 20_000), path=b"/v1/b"
    ),
    "too_many_events": post(b'{"batch":[%s%s]}' % (event(), b",1" * 4000), path=b"/v1/b"),
    "too_many_events: a list": post(b"[%s%s]" % (event(), b",1" * 4000)),
    "unsupported_encoding": post(event(), b"Content-Encoding: br"),
    "unsupported_encoding: twice": post(event(), b"Content-Encoding: gzip, gzip"),
    "unavailable": post(event(traits={"email": "failed@example.com"})),
    "unavailable: a batch": post(b"[%s]" % event(traits={"email": "failed@example.com"})),
    "overloaded": post(event(traits={"email": "full@example.com"})),
    "internal_error": post(event(traits={"email": "broken@example.com"})),
    **{
        f"unsupported_call: {call}": post(path=f"/v1/{call}".encode(), key=False)
        for call in ("track", "page", "screen", "group", "alias", "t", "p", "s", "g", "a")
    },
}
TIMED = {"too_slow", "rate_limited"}  # test_wire.py waits for the one, test_limits.py asks twice for the other


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts(server: Server, name: str) -> None:
    """A request that the contract accepts is answered 200 with a JSON object that says success."""
    reply = wire.exchange(server.http, ACCEPTED[name])
    assert (reply.status, reply.code) == (200, "")


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(server: Server, name: str) -> None:
    """A refused request gets the status of the one table, a code, and a message for people."""
    code = name.partition(":")[0]
    expected = next(refusal for refusal in answers.TABLE if refusal.code == code)
    reply = wire.exchange(server.http, REFUSED[name])
    assert (reply.code, reply.status) == expected[:2]
    assert reply.json["message"] in {expected.message, HOW_LARGE.get(code)}


# A refusal for its size says what would have passed, unless the connection was cut before anybody asked.
HOW_LARGE = {
    "request_too_large": f"The request is larger than {LIMIT:,} bytes after decompression",
    "too_many_events": "The batch has more than 4,000 events",
}


def test_every_refusal_is_tried() -> None:
    """No code of the table is without a request that brings it about."""
    assert {name.partition(":")[0] for name in REFUSED} | TIMED == {refusal.code for refusal in answers.TABLE}


def test_every_reason_is_a_refusal() -> None:
    """Each reason of the closed list has its line in the table of statuses."""
    assert set(answers.REASONS) == set(Reason)


def test_statuses_are_the_contracts() -> None:
    """No other status is ever sent: SDKs take some for a reason to send again, or for ever."""
    assert {refusal.status for refusal in answers.TABLE} <= {400, 401, 404, 405, 413, 415, 429, 501, 503}


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.MALFORMED_JSON])
def test_reasons_in_a_batch(server: Server, reason: Reason) -> None:
    """An event refused inside a batch is refused alone, by its index, with the same code as anywhere."""
    bad = REFUSED[reason.value].partition(b"\r\n\r\n")[2]
    reply = wire.exchange(server.http, post(b"[%s,%s]" % (event(), bad)))
    assert reply.status == 200
    assert reply.json["accepted"] == 1
    assert reply.json["rejected"] == [{"index": 1, "code": reason, "message": answers.REASONS[reason].message}]


def test_malformed_event_in_a_batch(server: Server) -> None:
    """An event that is not UTF-8 spoils nothing but itself."""
    reply = wire.exchange(server.http, post(b'[{"x":"\xff"},%s]' % event()))
    assert [fault["code"] for fault in reply.json["rejected"]] == ["malformed_json"]


def test_batch_of_which_nothing_is_accepted(server: Server) -> None:
    """A batch without one good event is a 400 that bears the first one's reason, and lists them all."""
    reply = wire.exchange(server.http, post(b'[%s,{"email":5}]' % event(type="track")))
    assert (reply.status, reply.code, reply.json["accepted"]) == (400, "unsupported_type", 0)
    assert [fault["code"] for fault in reply.json["rejected"]] == ["unsupported_type", "invalid_email"]


def test_type_in_a_batch(server: Server) -> None:
    """In a batch an event must say that it is an identify; in a list on /v1/identify it need not."""
    bare = b'[{"timestamp":"2020-05-31","email":"a@b.co"}]'
    assert wire.exchange(server.http, post(bare)).status == 200
    assert wire.exchange(server.http, post(b'{"batch":%s}' % bare, path=b"/v1/b")).code == "unsupported_type"


def test_success_is_exact(server: Server) -> None:
    """Success is an object with `success` true: several SDKs take anything else for failure."""
    assert wire.exchange(server.http, post()).json == {"success": True}
    assert wire.exchange(server.http, post(b"[%s]" % event())).json == {"success": True, "accepted": 1, "rejected": []}


def test_allow(server: Server) -> None:
    """A 405 says which method would do."""
    assert wire.exchange(server.http, REFUSED["method_not_allowed"]).headers["allow"] == "POST"
    assert wire.exchange(server.http, REFUSED["method_not_allowed: description"]).headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("name", [name for name in REFUSED if name.partition(":")[0] in {"missing_key", "unknown_key"}])
def test_challenge(server: Server, name: str) -> None:
    """A 401 says which credentials would do (RFC 9110, section 11.6.1)."""
    assert wire.exchange(server.http, REFUSED[name]).headers["www-authenticate"].startswith("Basic realm=")


def test_accepted_encodings(server: Server) -> None:
    """A 415 says which content encoding would do (RFC 9110, section 15.5.16)."""
    assert wire.exchange(server.http, REFUSED["unsupported_encoding"]).headers["accept-encoding"] == "gzip"


def test_description(server: Server) -> None:
    """The API describes itself."""
    reply = wire.exchange(server.http, request(b"GET", b"/openapi.json", b""))
    assert reply.json["openapi"] == "3.1.0"
    assert json.dumps(reply.json)
