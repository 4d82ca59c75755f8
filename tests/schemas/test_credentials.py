"""The API key is cut out of an event and emptied in what cannot be read; every other byte stays."""

import json

import pytest
from hypothesis import given

from schemas import credentials, rejections, segment, tolerant
from schemas.identify import Identify
from schemas.lookup import squash
from schemas.workspace import PLAIN
from tests import examples, strategies, whole

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b'{"writeKey":"KEY"}', b"{}"),
        (b'{"writeKey":"KEY","a":1}', b'{"a":1}'),
        (b'{"a":1,"writeKey":"KEY"}', b'{"a":1}'),
        (b'{"a":1,"writeKey":"KEY","b":2}', b'{"a":1,"b":2}'),
        (b' { "a" : 1.0e0 ,\n "writeKey" : "KEY" ,\n "b" : 2 } \n', b' { "a" : 1.0e0 ,\n "b" : 2 } \n'),
        (b'{"writeKey":"KEY","writeKey":null}', b"{}"),
        (b'{"a":1,"writeKey":"KEY","writeKey":"KEY"}', b'{"a":1}'),
        (b'{"writeKey":"KEY","a":1,"writeKey":"KEY"}', b'{"a":1}'),
        (b'{"write\\u004bey":"KEY","a":1}', b'{"a":1}'),
        (b'{"\\u0077\\u0072\\u0069\\u0074\\u0065\\u004B\\u0065\\u0079":"KEY","a":1}', b'{"a":1}'),
        (b'{"WriteKey":"KEY","WRITEKEY":"KEY","write_key":"KEY","write-Key ":"KEY","a":1}', b'{"a":1}'),
        ('{"write\u212aey":"KEY","a":1}'.encode(), b'{"a":1}'),
        (b'{"write\\u212aey":"KEY","a":1}', b'{"a":1}'),
        (b'{"writeKey":"K,}]\\"EY\\\\","a":1}', b'{"a":1}'),
        (b'{"writeKey":{"a":["KEY",{}]},"a":1}', b'{"a":1}'),
        (b'{"writeKey":null,"a":1}', b'{"a":1}'),
        (b'{"writeKey":"half \\ud83d","a":1}', b'{"a":1}'),
    ],
)
def test_the_key_is_cut_out_of_an_event(event: bytes, expected: bytes) -> None:
    """With one comma, at any place, under any spelling of its name, as often as it is there."""
    assert credentials.without_key(event) == expected


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"null",
        b'"writeKey"',
        b'{"a":1,"b":"writeKey"}',
        b'{"a":["writeKey"],"b":{"writeKey":"KEY"}}',
        b'{"a":"\\"writeKey\\":\\"KEY\\",","writeKeys":1,"xwriteKey":1}',
        b'[{"writeKey":"KEY"}]',
    ],
)
def test_what_is_no_field_of_the_event_stays(event: bytes) -> None:
    """Values, nested objects, and text that looks like the key."""
    assert credentials.without_key(event) == event


@pytest.mark.parametrize(
    "event",
    [
        b'{"writeKey":"KEY",}',
        b'{,"writeKey":"KEY"}',
        b'{"a":1,,"writeKey":"KEY"}',
        b'{"a":1 "writeKey":"KEY"}',
        b'{"a":1,"writeKey":"KEY" "b":2}',
        b'{"a":1,"writeKey":"KEY"5}',
        b'{"a":1,"writeKey":nope}',
        b'{"a":1,"writeKey":NaN}',
        b'{"a":1,"writeKey":"\xff"}',
        b'{"a":1,"writeKey":"\x01"}',
        b'{"a":1,"writeKey"}',
        b'{"a":1,"writeKey":}',
        b'{"a":1,"writeKey":"KEY"',
        b'{"a":1,"writeKey":"KEY"} x',
        b'x {"a":1,"writeKey":"KEY"}',
        b'{"a":1,"writeKey":"KEY"]',
        b'{"a":01,"writeKey":"KEY"}',
    ],
)
def test_what_is_malformed_stays_malformed(event: bytes) -> None:
    """To cut never mends: ingest would take what it was not sent."""
    for found in (event, credentials.without_key(event)):
        assert tolerant.read(found, PLAIN, type_required=False) == rejections.MALFORMED_JSON


@pytest.mark.parametrize(
    "body",
    [
        b'{"batch":[{"writeKey":"KEY"},1,],"writeKey":"KEY"}',
        b'[{"a":{"writeKey":"KEY"}}',
        b'{"writeKey":"KEY',
        b'{"writeKey":KEY',
        b'{"write_key" : "K\\"EY", "b',
        b'{"WRITE\\u004bEY":"KEY"',
        b'{"w\\u0072ite\\u005fkey":"KEY"',
        b"{writeKey:'KEY', x",
        b"writeKey=KEY&type=identify",
        b'{"writeKey":[ "KEY" ],}',
        b'\xff{"writeKey":"KEY"}',
        b'{"writeKey":"KEY","writeKey":"KEY"',
    ],
)
def test_the_key_is_emptied_in_what_cannot_be_read(body: bytes) -> None:
    """Wherever its name stands, in whatever is not JSON; the rest stays."""
    masked = credentials.masked(body)
    assert b"KEY" not in masked.replace(b'E\\u004bEY"', b"")
    assert masked.count(b"{") == body.count(b"{")


def test_what_has_no_key_is_the_same_object() -> None:
    """Nothing is copied."""
    for example in examples.load():
        assert credentials.without_key(example.body) is example.body
        assert credentials.masked(example.body) is example.body


@given(strategies.events())
def test_what_is_published_bears_no_key(event: bytes) -> None:
    """Whatever reads as an identify reads the same without its key, on both paths, and bears none then."""
    found = tolerant.read(event, PLAIN, type_required=False)
    cut = credentials.without_key(event)
    again = tolerant.read(cut, PLAIN, type_required=False)
    assert whole.fast_path(cut) in (None, whole.reference(cut))
    if isinstance(found, Identify):
        assert isinstance(again, Identify)
        assert not again.bears_key
        assert (cut != event) == found.bears_key
        kept = [(name, value) for name, value in _pairs(event) if squash(name) != credentials.KEY]
        assert _pairs(cut) == kept
    else:
        assert again == found


def test_a_key_among_the_fields_is_told() -> None:
    """By both readers; null is a key that somebody else may have filled in before."""
    body = b'{"type":"identify","timestamp":"2020-05-31","traits":{"email":"a@b"},%s}'
    for more in (b'"writeKey":"KEY"', b'"writeKey":"KEY","writeKey":null', b'"write_key":5', b'"write\\u004bey":""'):
        found = segment.read(body % more, NOW_MS)
        assert isinstance(found, Identify)
        assert found.bears_key, more
    for more in (b'"context":{"traits":{"writeKey":"KEY"}}', b'"event":"writeKey"'):
        found = segment.read(body % more, NOW_MS)
        assert isinstance(found, Identify)
        assert not found.bears_key, more


def test_an_escaped_key_is_told_beside_fields_that_nobody_listed() -> None:
    """Nothing else of such an event need be proven by a search for its keys, which an escape defeats."""
    body = (
        b'{"type":"identify","timestamp":"2020-05-31","traits":{"email":"a@b","vip":true},"messageId":"m","plan":1,'
        b'"context":{"personas":{"computation_class":"audience","computation_key":"vip"}},"writeK\\u0065y":"KEY"}'
    )
    found = segment.read(body, NOW_MS)
    assert isinstance(found, Identify)
    assert found.bears_key


def _pairs(event: bytes) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = json.loads(event, parse_int=str, parse_float=str, object_pairs_hook=list)
    return pairs
