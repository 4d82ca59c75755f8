"""Which events are accepted, and why the others are not (contract, section 3)."""

import json
import time
from typing import Any

import pytest

from schemas import segment
from schemas.rejections import Reason, Rejection
from tests import whole
from tests.whole import Whole

TIMESTAMP = "2020-05-31T17:55:47.263Z"
TIMESTAMP_MS = 1_590_947_747_263
DAY_MS = 86_400_000


def read(event: Any, received_at_ms: int = TIMESTAMP_MS, *, type_required: bool = False) -> Whole | Rejection:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return whole.read(body, received_at_ms, type_required=type_required)


def reason(event: Any, **options: bool) -> Reason | None:
    found = read(event, **options)
    return found.reason if isinstance(found, Rejection) else None


def event(**fields: Any) -> dict[str, Any]:
    return {"type": "identify", "timestamp": TIMESTAMP, "traits": {"email": "peter@example.com"}, **fields}


def identify(**fields: Any) -> Whole:
    found = read(event(**fields))
    assert isinstance(found, Whole)
    return found


@pytest.mark.parametrize("over", [0, 1])
def test_exactly_the_limit_of_bytes_passes(over: int) -> None:
    """32 KiB pass, a byte more does not."""
    body = json.dumps(event()).encode().ljust(segment.EVENT_LIMIT_BYTES + over)
    assert reason(body) == (Reason.TOO_LARGE if over else None)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["arrays", "objects"])
@pytest.mark.parametrize("over", [0, 1])
def test_exactly_the_limit_of_depth_passes(opening: str, closing: str, over: int) -> None:
    """128 levels pass, one more is malformed."""
    levels = segment.DEPTH_LIMIT - 1 + over
    body = json.dumps(event(x="DEEP")).replace('"DEEP"', opening * levels + "1" + closing * levels).encode()
    assert reason(body) == (Reason.MALFORMED_JSON if over else None)


def test_brackets_in_text_are_no_depth() -> None:
    """Brackets in a string do not count, after an escaped quote neither."""
    assert identify(x="[{" * 500, y='\\"' + "[" * 500, event="\\").event == "\\"


def test_many_brackets_side_by_side_are_no_depth() -> None:
    """Depth is counted, not brackets."""
    assert identify(x=[{}] * 2000)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 16_000 + b"[" * 129 + b"\\",
        b'{"a":"' + b'\\"' * 16_000 + b"[" * 129,
        b"[" * 129 + b'"a' * 10_000,
        b"[]" * 16_384,
        b'{"email":"' + b"\xcc\x80\xcc\xa3" * 8_000 + b'@b.c","timestamp":"2020-05-31"}',
        b'{"timestamp":' + b"1" * 32_000 + b',"email":"a@b.c"}',
        b'{"timestamp":1e' + b"9" * 32_000 + b',"email":"a@b.c"}',
    ],
    ids=[
        "escaped quotes",
        "escaped quotes in an object",
        "quotes",
        "brackets",
        "combining marks",
        "digits",
        "exponent",
    ],
)
def test_a_hostile_event_costs_little(body: bytes) -> None:
    """No event within the limit of bytes takes more than linear work: some took 20 seconds once."""
    assert len(body) <= segment.EVENT_LIMIT_BYTES
    assert min(_cpu_s(body) for _ in range(5)) < 0.05


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", Reason.MALFORMED_JSON),
        (b" ", Reason.MALFORMED_JSON),
        (b"\x00", Reason.MALFORMED_JSON),
        (b"\xef\xbb\xbf{}", Reason.MALFORMED_JSON),
        (b"{} {}", Reason.MALFORMED_JSON),
        (b"{'type':'identify'}", Reason.MALFORMED_JSON),
        (b'{"a":"\t"}', Reason.MALFORMED_JSON),
        (b'{"a":-Infinity}', Reason.MALFORMED_JSON),
        (b'{"a":"\xed\xa0\xbd"}', Reason.MALFORMED_JSON),
        (b'{"a":"\xc0\x80"}', Reason.MALFORMED_JSON),
        ('{"type":"identify"}'.encode("utf-16"), Reason.MALFORMED_JSON),
        (b"null", Reason.NOT_AN_OBJECT),
        (b"5", Reason.NOT_AN_OBJECT),
        (b"[]", Reason.NOT_AN_OBJECT),
        (b"{}", Reason.MISSING_EMAIL),
    ],
)
def test_what_is_no_event_says_why(body: bytes, expected: Reason) -> None:
    """Only JSON objects in UTF-8 are looked into."""
    assert reason(body) == expected


def test_not_utf8_is_malformed_where_nobody_looks() -> None:
    """The typed decode skips fields; their bytes are checked all the same."""
    body = json.dumps(event(x="?")).encode()
    assert reason(body) is None
    assert reason(body.replace(b"?", b"\xff")) == Reason.MALFORMED_JSON


@pytest.mark.parametrize("kind", ["identify", "Identify", "IDENTIFY"])
def test_type_is_identify_in_any_letter_case(kind: str) -> None:
    """The letter case of a type does not count."""
    assert reason(event(type=kind), type_required=True) is None


@pytest.mark.parametrize("kind", ["track", "", " identify", "identify_", 5, True, [], {}, "\u0131dentify"])
def test_any_other_type_is_unsupported(kind: object) -> None:
    """What is not identify is refused, required or not."""
    assert reason(event(type=kind)) == reason(event(type=kind), type_required=True) == Reason.UNSUPPORTED_TYPE


def test_type_may_be_missing_only_where_it_is_not_required() -> None:
    """A type of null is a missing one."""
    untyped = {name: value for name, value in event().items() if name != "type"}
    for missing in (untyped, event(type=None)):
        assert reason(missing) is None
        assert reason(missing, type_required=True) == Reason.UNSUPPORTED_TYPE


def test_the_first_reason_is_told() -> None:
    """Type, then e-mail, then timestamp."""
    assert reason({"type": "track"}) == Reason.UNSUPPORTED_TYPE
    assert reason({"type": "identify"}) == Reason.MISSING_EMAIL
    assert reason({"type": "identify", "email": "a@b"}) == Reason.MISSING_TIMESTAMP


@pytest.mark.parametrize(
    ("fields", "email"),
    [
        ({"traits": {"email": "first@b"}, "context": {"traits": {"email": "second@b"}}, "email": "third@b"}, "first@b"),
        ({"traits": {}, "context": {"traits": {"email": "second@b"}}, "email": "third@b"}, "second@b"),
        ({"traits": None, "context": [], "email": "third@b"}, "third@b"),
        ({"traits": {"email": None, "EMAIL": "second@b"}}, "second@b"),
        ({"traits": {"email": "no", "E-Mail": "still no"}, "Traits": {"e_mail": "yes@b"}}, "yes@b"),
        ({"traits": {"e mail": "first@b", "E-mail": "second@b"}}, "first@b"),
        ({"traits": {"email": 5}, "email": "third@b"}, "third@b"),
    ],
)
def test_email_is_the_first_valid_one(fields: dict[str, Any], email: str) -> None:
    """traits, context.traits, top level; at each place the exact spelling, then the others in their order."""
    assert identify(**fields).email == email


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"page": {"url": "first"}, "context": {"page": {"url": "second"}}, "url": "third"}, "first"),
        ({"page": {"url": ""}, "context": {"page": {"url": "second"}}, "url": "third"}, "second"),
        ({"page": {"url": 5}, "context": {"page": None}, "url": "third"}, "third"),
        ({"page": {"u_r-l": "first"}, "url": "third"}, "first"),
        ({"url": " \n"}, None),
        ({}, None),
    ],
)
def test_url_is_the_first_that_says_something(fields: dict[str, Any], url: str | None) -> None:
    """page, context.page, top level; free text."""
    assert identify(**fields).url == url


def test_an_escaped_key_is_the_same_key() -> None:
    """JSON's escapes are read before keys are compared."""
    body = json.dumps({"email": "a@b", "timestamp": TIMESTAMP}).replace('"email"', r'"\u0065mail"').encode()
    found = read(body)
    assert isinstance(found, Whole)
    assert found.email == "a@b"


def test_the_last_of_two_same_keys_counts() -> None:
    """As in every JSON parser that Segment's events pass on their way."""
    body = b'{"email":"a@b","timestamp":"2020-05-31","event":"one","event":"two"}'
    assert read(body) == Whole("a@b", 1_590_883_200_000, event="two")


def test_half_a_character_is_mended_in_text_and_refused_in_an_email() -> None:
    """Lone surrogates: U+FFFD in a description, invalid_email in an e-mail, nothing elsewhere."""
    found = identify(event="a\ud83d", page={"url": "\udc4db"}, messageId="\ud83dm", x="\ud83d")
    assert (found.event, found.url, found.message_id) == ("a\ufffd", "\ufffdb", "\ufffdm")
    assert reason(event(traits={"email": "a\ud83d@b"})) == Reason.INVALID_EMAIL


def test_a_pair_of_surrogates_is_a_character() -> None:
    """Two escapes that make one character are that character."""
    assert identify(event="\U0001f44d").event == "\U0001f44d"


@pytest.mark.parametrize("ahead_ms", [DAY_MS, DAY_MS + 1])
@pytest.mark.parametrize("more", [{}, {"Event": "tolerant"}], ids=["fast", "tolerant"])
def test_a_day_ahead_of_its_receipt_is_the_limit(ahead_ms: int, more: dict[str, str]) -> None:
    """Exactly 24 hours pass, a millisecond more does not; on both paths."""
    found = read(event(**more), TIMESTAMP_MS - ahead_ms)
    assert isinstance(found, Rejection if ahead_ms > DAY_MS else Whole)
    assert isinstance(found, Whole) or found.reason == Reason.TIMESTAMP_IN_FUTURE


@pytest.mark.parametrize(
    "value", ["1" + "0" * 400, "-" + "9" * 30, "1e400", "1e-999999999999", "-0e0", '"1e9"', "true", "[]", '""']
)
def test_no_number_is_too_large_to_be_refused(value: str) -> None:
    """What is no instant of the years 1 to 9999 is invalid; a number too small to see is 1970."""
    body = json.dumps(event(timestamp="?")).replace('"?"', value).encode()
    assert reason(body) == (None if value in ("1e-999999999999", "-0e0") else Reason.INVALID_TIMESTAMP)


def _cpu_s(body: bytes) -> float:
    before_s = time.thread_time()  # of this thread alone: a busy machine does not count
    assert isinstance(read(body), Rejection)
    return time.thread_time() - before_s
