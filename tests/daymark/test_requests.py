"""Events become requests as Segment and its SDKs send them."""

import gzip
import json
from base64 import b64encode
from datetime import date

import pytest

from daymark.simulation import audience, requests
from daymark.simulation.audience import Event, Plan
from daymark.simulation.requests import Target
from schemas.rejections import Reason

TO = Target("127.0.0.1", 8080, tls=False, path="", key="a key")
PLAN = Plan(300, date(2026, 11, 20), 1_795_562_040_000, invalid=0.1, retries=0.1)


def parts(data: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


def test_a_single_call_is_segments() -> None:
    """Path, Basic credentials with an empty password, the very bytes of the event."""
    event = next(audience.events(PLAN))
    first, headers, body = parts(next(requests.requests([event], 0, TO)).data)
    assert first == "POST /v1/identify HTTP/1.1"
    assert headers["Authorization"] == "Basic " + b64encode(b"a key:").decode()
    assert (headers["Host"], headers["Content-Length"]) == ("127.0.0.1:8080", str(len(event.body)))
    assert body == event.body


@pytest.mark.parametrize("batch", [1, 7, 100])
def test_batches_carry_every_event_once_in_order(batch: int) -> None:
    """What is not JSON goes alone, so that it spoils no batch."""
    sent = list(requests.requests(audience.events(PLAN), batch, TO))
    for request in sent:
        first, _, body = parts(request.data)
        if first == "POST /v1/batch HTTP/1.1":
            assert 1 <= len(request.events) <= batch
            assert body == b'{"batch":[' + b",".join(event.body for event in request.events) + b"]}"
            assert len(json.loads(body)["batch"]) == len(request.events)
        else:
            assert [event.reason for event in request.events] == [Reason.MALFORMED_JSON]
    carried = [event for request in sent for event in request.events]
    assert sorted(event.body for event in carried) == sorted(event.body for event in audience.events(PLAN))


def test_a_batch_stays_below_the_limit_of_a_request() -> None:
    large = Event(b'"' + b"x" * 33_000 + b'"', None, None, Reason.TOO_LARGE)
    sent = list(requests.requests([large] * 200, 4000, TO))
    assert all(len(request.data) < 4 << 20 for request in sent)
    assert max(len(request.events) for request in sent) == 121


def test_gzip_is_said_and_done() -> None:
    to = Target("127.0.0.1", 8080, tls=False, path="/prefix", key="%d", gzip=True)
    event = next(audience.events(PLAN))
    first, headers, body = parts(next(requests.requests([event], 0, to)).data)
    assert first == "POST /prefix/v1/identify HTTP/1.1"
    assert (headers["Content-Encoding"], headers["Content-Length"]) == ("gzip", str(len(body)))
    assert gzip.decompress(body) == event.body


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", ("127.0.0.1", 8080, False, "")),
        ("https://daymark.example/", ("daymark.example", 443, True, "")),
        ("http://[::1]:81/in/", ("::1", 81, False, "/in")),
    ],
)
def test_urls_are_understood(url: str, expected: tuple[str, int, bool, str]) -> None:
    to = requests.target(url, "k")
    assert (to.host, to.port, to.tls, to.path) == expected


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8080", "ftp://host", "http://", "http://h:port", "http://u:p@h", "http://h?q"]
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        requests.target(url, "k")


def test_a_key_is_not_shown() -> None:
    assert "a key" not in repr(TO)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"success":true}', [None, None]),
        (b'{"success":true,"accepted":1,"rejected":[{"index":1,"code":"too_large"}]}', [None, "too_large"]),
        (b'{"success":false,"code":"missing_email","message":"m"}', ["missing_email", "missing_email"]),
        (
            b'{"success":false,"code":"a","rejected":[{"index":0,"code":"a"},{"index":1,"code":"b"}]}',
            ["a", "b"],
        ),
        (b"ok", None),
        (b"[]", None),
        (b'{"success":false}', None),
        (b'{"success":true,"rejected":[{"index":2,"code":"b"}]}', None),
    ],
)
def test_answers_are_read_event_by_event(body: bytes, expected: list[str | None] | None) -> None:
    assert requests.answered(body, 2) == expected
