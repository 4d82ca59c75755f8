"""A batch is taken apart into the very bytes that were received."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import answers, batch
from ingest.batch import Parts
from ingest.http.response import Refusal
from schemas.rejections import Reason
from tests.edge import batching
from tests.edge.batching import MOST_EVENTS, merged

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)
SPACE = st.text(" \t\r\n", max_size=2)
CUT_EMOJI = rb'"\ud83d"'


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Draw events as bytes, and a list of them with white space anywhere between."""
    events = [json.dumps(value, ensure_ascii=draw(st.booleans())) for value in draw(st.lists(JSON, max_size=4))]
    text = ",".join(draw(SPACE) + event + draw(SPACE) for event in events)
    return [_bytes(event) for event in events], _bytes(f"{draw(SPACE)}[{text}]{draw(SPACE)}")


@given(batches())
def test_bytes_are_kept(drawn: tuple[list[bytes], bytes]) -> None:
    """Each event has the bytes with which it came, in a list and in an object."""
    events, text = drawn
    assert batch.take_list_apart(text, MOST_EVENTS) == Parts(events, {})
    assert batch.take_apart(b'{"sentAt":1, "batch" :%s}' % text, MOST_EVENTS) == Parts(events, {})


@given(batches())
def test_both_readers_agree(drawn: tuple[list[bytes], bytes]) -> None:
    """A lone surrogate, which msgspec's grammar refuses, changes nothing for the other events."""
    events, text = drawn
    with_emoji = b"[" + b",".join([*events, CUT_EMOJI]) + b"]"
    assert batch.take_list_apart(with_emoji, MOST_EVENTS) == Parts([*events, CUT_EMOJI], {})
    assert batch.take_apart(b'{"batch":%s,"x":%s}' % (text, CUT_EMOJI), MOST_EVENTS) == Parts(events, {})


@given(batches(), JSON, JSON)
def test_a_batch_is_what_python_reads(drawn: tuple[list[bytes], bytes], context: Any, integrations: Any) -> None:
    """Events, defaults, refusals: as Python's reader of JSON has them."""
    head = json.dumps({"context": context, "integrations": integrations})[:-1].encode()
    for body in (drawn[1], head + b',"batch":' + drawn[1] + b"}", head + b"}", json.dumps(context).encode()):
        batching.check(body)


@given(st.binary() | st.builds(lambda text, at: text[1][:at], batches(), st.integers(0, 20)))
def test_total(body: bytes) -> None:
    """Any bytes at all are a batch or are refused."""
    for take in (batch.take_apart, batch.take_list_apart):
        assert isinstance(take(body, MOST_EVENTS), Parts | Refusal)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({}, {"context": {"a": 1}}),
        ({"context": {}}, {"context": {"a": 1}}),
        ({"context": {"b": 2}}, {"context": {"a": 1, "b": 2}}),
        ({"context": {"a": 3}}, {"context": {"a": 3}}),
        ({"context": None}, {"context": None}),
        ({"context": []}, {"context": []}),
        (5, 5),
        ("\ud83d", "\ud83d"),
        ({"x": "\ud83d"}, {"x": "\ud83d", "context": {"a": 1}}),
        ({"\ud83d": 1}, {"\ud83d": 1, "context": {"a": 1}}),
    ],
)
def test_defaults(event: Any, expected: Any) -> None:
    """A batch's defaults fill in what an event's own object lacks, one level deep; what it has stays."""
    found = _merged(b'{"batch":[%s],"context":{"a":1},"integrations":{}}' % json.dumps(event).encode())
    assert [json.loads(event) for event in found] == [expected]


@pytest.mark.parametrize(
    "defaults", [b"", b',"context":{}', b',"context":null', b',"context":{"a":1}', b',"context":5']
)
def test_no_default_no_change(defaults: bytes) -> None:
    """An event that lacks nothing of the defaults keeps its bytes, white space and all."""
    event = b'{ "context" : {"a":2 ,"a":3} , "z":1.0e0 }'
    assert list(_merged(b'{"batch":[%s]%s}' % (event, defaults))) == [event]


def test_values_keep_their_spelling() -> None:
    """Where defaults are filled in, every value keeps the bytes with which it came."""
    found = _merged(rb'{"batch":[{"n":1.00,"t":"\u0041"}],"context":{"x":2.50},"integrations":{"All":true}}')
    assert list(found) == [rb'{"n":1.00,"t":"\u0041","context":{"x":2.50},"integrations":{"All":true}}']


def _merged(body: bytes) -> Any:
    parts = batch.take_apart(body, MOST_EVENTS)
    assert isinstance(parts, Parts)
    return merged(parts)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (CUT_EMOJI, answers.REASONS[Reason.NOT_AN_OBJECT]),
        (
            rb'{"batch":[{"\ud83d":1,"context":{"\ud83d":2}}],"context":{"a":3}}',
            [rb'{"\ud83d":1,"context":{"a":3,"\ud83d":2}}'],
        ),
    ],
)
def test_what_fuzzing_found(body: bytes, expected: Refusal | list[bytes]) -> None:
    """Half a character is JSON: alone it is no object, and as a name it keeps no defaults away."""
    batching.check(body)
    parts = batch.take_apart(body, MOST_EVENTS)
    assert (parts if isinstance(parts, Refusal) else merged(parts)) == expected
