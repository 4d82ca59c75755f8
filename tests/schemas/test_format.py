"""Custom formats: JMESPath checked as it is read, total as it is used, with bounds whatever an event holds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import format as formats
from schemas import segment, timestamps, tolerant
from schemas.expression import MOST_CHARACTERS, MOST_WORK, Expression, NoAnswer
from schemas.format import FIELDS, Format, FormatFaults
from schemas.rejections import Reason, Rejection
from schemas.workspace import Workspace
from tests import strategies, whole
from tests.whole import Whole

RECEIVED = 1_590_947_747_263
EVENT_BYTES = segment.EVENT_LIMIT_BYTES

EXPRESSIONS = (
    "email", "traits.email || context.traits.email || email", "@", "*", "traits.*", "[]", "noise[*].a", "a.b.c.d",
    "join(' ', [event, url])", "to_string(@)", "to_number(timestamp)", "length(email)", "sum(values(@))", "keys(@)[0]",
    "values(@)[?type(@) == 'string'] | [0]",
    "sort(keys(@))", "max_by(values(@), &a)", "map(&url, [page, context.page])",
    "ceil(timestamp)", "timestamp > `5` && email", "!email", "merge(traits, page)", "traits == context.traits",
    "@[::0]",
    "not_null(email, traits.email, `null`)", "{a: email, b: @}", "reverse(to_string(traits))", "avg([timestamp, `1`])",
    "to_string([to_string([to_string(@)])])", '`[1, {"a": "x@y.z"}]`[1].a', '"context"."page"."url"',
)  # fmt: skip


def compiled(**texts: str) -> Format:
    return formats.compiled(texts)


def read(event: object, /, **texts: str) -> Whole | Rejection:
    """Return what an event is to a workspace of such a format."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return whole.read(body, RECEIVED, Workspace("w", format=compiled(**texts)))


def reason(event: object, /, **texts: str) -> Reason:
    found = read(event, **texts)
    assert isinstance(found, Rejection)
    return found.reason


def document(text: str) -> dict[str, object]:
    """Return an event as `tolerant` decodes it."""
    found: dict[str, object] = tolerant._JSON.decode(text)
    return found


def test_an_event_of_another_form_is_read() -> None:
    """Each field is where its expression says; the others are where they always were."""
    event = {
        "type": "identify",
        "timestamp": 1590947747,
        "who": {"mails": [{"of": "home", "is": "h@b.co"}, {"of": "work", "is": " W@B.co "}]},
        "page": {"url": "https://b.co"},
        "did": ["saw", "prices"],
    }
    found = read(event, email="who.mails[?of == 'work'].is | [0]", event="join(' ', did)")
    assert isinstance(found, Whole)
    assert (found.email, found.timestamp_ms) == ("w@b.co", 1590947747000)
    assert (found.url, found.event) == ("https://b.co", "saw prices")


def test_other_fields_of_a_format_leave_the_timestamp_where_it_was() -> None:
    """A format of the e-mail changes nothing for the original timestamp."""
    found = read({"originalTimestamp": "2020-05-31", "mail": "a@b.co"}, email="mail")
    assert isinstance(found, Whole)
    assert found.timestamp_ms == 1_590_883_200_000


def test_a_field_is_looked_for_nowhere_else() -> None:
    """What the format does not find is missing, though it is where it is for everybody else."""
    event = {"timestamp": 1590947747, "email": "a@b.co", "url": "x", "event": "y"}
    assert reason(event, email="mail") is Reason.MISSING_EMAIL
    assert reason(event, timestamp="at") is Reason.MISSING_TIMESTAMP
    assert reason({**event, "originalTimestamp": 1590947747}, timestamp="at") is Reason.MISSING_TIMESTAMP
    found = read(event, url="address", event="name")
    assert isinstance(found, Whole)
    assert (found.url, found.event) == (None, None)


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("null", Reason.MISSING_EMAIL),
        ('"a@b@c"', Reason.INVALID_EMAIL),
        ("5", Reason.INVALID_EMAIL),
        ("true", Reason.INVALID_EMAIL),
        ('["a@b.co"]', Reason.INVALID_EMAIL),
        ("{}", Reason.INVALID_EMAIL),
        ('"a\\ud83d@b.co"', Reason.INVALID_EMAIL),
    ],
)
def test_what_is_found_is_held_to_the_same_rules(email: str, expected: Reason) -> None:
    assert reason(b'{"timestamp":1590947747,"x":%s}' % email.encode(), email="x") is expected


@pytest.mark.parametrize(
    "text", ["ceil(x)", "join(x, x)", "sum(x)", "max_by(l, &x)", "l[::0]", "ceil(to_number('inf'))"]
)
def test_a_fault_as_it_is_evaluated_is_something_invalid(text: str) -> None:
    """The format has not found nothing: the event is not as it thinks."""
    event = {"timestamp": 1590947747, "email": "a@b.co", "x": "text", "l": [1]}
    assert reason(event, email=text) is Reason.INVALID_EMAIL


def test_wrong_types_are_invalid_and_describe_nothing() -> None:
    """For e-mail and timestamp a reason, for url and event the next best description."""
    event = {"timestamp": 1590947747, "email": "a@b.co", "x": "text"}
    assert reason(event, email="abs(x)") is Reason.INVALID_EMAIL
    assert reason(event, timestamp="abs(x)") is Reason.INVALID_TIMESTAMP
    found = read(event, url="abs(x)", event="abs(x)")
    assert isinstance(found, Whole)
    assert (found.url, found.event) == (None, None)


@pytest.mark.parametrize(
    ("number", "instant"),
    [
        ("1590947747", 1590947747000),
        ("1590947747263", 1590947747263),
        ("1590947747.263", 1590947747263),
        ("1.590947747263e12", 1590947747263),
        ("1590969599.99999999999", 1590969599999),  # a double that is rounded would be the next day's
        ("1590969599999.9999999999", 1590969599999),
        ("-0", 0),
        ("1e400", None),
        ("-1e999999999999999999999", None),
        ("9" * 30_000, None),
    ],
)
def test_numbers_are_found_as_numbers(number: str, instant: int | None) -> None:
    """JMESPath sees numbers, and what it finds is an instant to the millisecond, truncated."""
    found = compiled(timestamp="x").find("timestamp", document(f'{{"x":{number}}}'))
    assert type(found) in {int, float}
    assert timestamps.parse(found) == instant


def test_expressions_can_compare_and_calculate() -> None:
    """Numbers are JMESPath's own: seconds and milliseconds can be distinguished, and lists filtered by them."""
    event = document('{"a":[{"n":1.5,"x":"no"},{"n":3,"x":"yes"}],"n":12345678901234567890}')
    form = compiled(url="a[?n > `2`].x | [0]", event="type(n)", email="to_string(a[0].n)")
    assert [form.find(field, event) for field in ("url", "event", "email")] == ["yes", "number", "1.5"]


def test_half_an_emoji_passes_through() -> None:
    """Lone surrogates are text like any other."""
    assert compiled(event="x.y").find("event", document('{"x":{"y":"\\ud83d!"}}')) == "\ud83d!"


def test_each_event_is_converted_anew() -> None:
    """An event's plain form serves all of its fields, and no other event's."""
    form = compiled(email="x", timestamp="y")
    first, second = document('{"x":1,"y":2}'), document('{"x":3,"y":4}')
    assert [form.find(field, event) for event in (first, second, first) for field in ("email", "timestamp")] == [
        1, 2, 3, 4, 1, 2
    ]  # fmt: skip
    assert form.find("email", dict(first)) == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "1 to 500 characters of JMESPath are required"),
        (" \n", "1 to 500 characters of JMESPath are required"),
        ("a" * (MOST_CHARACTERS + 1), "1 to 500 characters of JMESPath are required"),
        ("a.", "not JMESPath: unexpected end"),
        ("a[", "not JMESPath: unexpected end"),
        ("a b", "not JMESPath at character 3: Unexpected token: b"),
        ("a = b", "not JMESPath at character 3: Unknown token '='"),
        ("a.'b'", "not JMESPath at character 3: Expecting"),
        ("$.a", "not JMESPath at character 1: Unknown token $"),
        ("'a", "not JMESPath at character 1: Unclosed ' delimiter"),
        ("`a`", "backticks enclose JSON; write text as 'text'"),
        ("a[?b == `x`]", "backticks enclose JSON; write text as 'text'"),
        ("len(a)", "len() is not a JMESPath function"),
        ("a[?len(b)]", "len() is not a JMESPath function"),
        ("length()", "length() takes 1 argument(s), not 0"),
        ("length(a, b)", "length() takes 1 argument(s), not 2"),
        ("not_null()", "not_null() takes at least 1 argument(s), not 0"),
        ("sort_by(a, b)", "sort_by() requires an &expression"),
        ("&a", "an &expression has no meaning outside"),
        ("to_string(&a)", "an &expression has no meaning outside"),
        ("[&a]", "an &expression has no meaning outside"),
        ("(" * 240 + "a", "not JMESPath: unexpected end"),
        ("!" * 400 + "a", "too much work: 401 steps, at most 100"),
        ("||".join("a" * 160), "too much work"),
        ("[@,@] | " * 30 + "to_string(@)", "too much work"),
        ("[@,@][] | " * 30 + "@", "too much work"),
        ("{a:@,b:@}.* | " * 20 + "@", "too much work"),
        ("merge(@,{a:@}) | merge(@,{b:@}) | " * 10 + "@", "too much work"),
        ("to_string([" * 20 + "@" + "])" * 20, "too much work"),
        ("map(&[@,@], " * 12 + "@" + ")" * 12, "too much work"),
        ("join('" + "x" * 300 + "', a) | [@,@,@] | [to_string(@)]", "too much work"),
    ],
)
def test_what_cannot_be_used_is_refused_as_it_is_read(text: str, fault: str) -> None:
    """With what is wrong, and where: syntax, calls that can never succeed, and work that explodes."""
    with pytest.raises(FormatFaults) as caught:
        compiled(email=text)
    [found] = caught.value.faults
    assert found.startswith(f"email: {fault}")


def test_every_fault_of_a_format_at_once() -> None:
    """Each begins with its field."""
    with pytest.raises(FormatFaults) as caught:
        formats.compiled({"email": "a[", "mail": "x", "url": 5, "event": "ok"})
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["email", "mail", "url"]


def test_a_format_knows_its_fields_and_texts() -> None:
    """Two of the same texts are one to whoever compares."""
    form = compiled(email="a", url="b")
    assert [field for field in FIELDS if form.replaces(field)] == ["email", "url"]
    assert form == compiled(email="a", url="b")
    assert hash(form) == hash(compiled(email="a", url="b"))
    assert form != compiled(email="a")
    assert repr(form) == "Format({'email': 'a', 'url': 'b'})"


@given(strategies.events() | strategies.mutated_examples(), st.sampled_from(EXPRESSIONS), st.sampled_from(EXPRESSIONS))
def test_any_event_and_any_expression_give_an_answer(body: bytes, one: str, other: str) -> None:
    """Never an exception, and each time the same answer."""
    workspaces = [
        Workspace("w", format=formats.compiled(dict(zip(FIELDS, (one, other, other, one), strict=True))))
        for _ in range(2)
    ]
    first, second = (whole.read(body, RECEIVED, workspace) for workspace in workspaces)
    assert first == second


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud83d"),
    lambda of: st.lists(of, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "email"]), of, max_size=3),
    max_leaves=20,
)


@given(
    st.text("ab@.*[]?|&!,:(){}'`\"0-=<\\ email", max_size=40) | st.sampled_from(EXPRESSIONS),
    st.dictionaries(st.sampled_from(["a", "b", "email"]), _JSON, max_size=3),
)
def test_any_text_is_an_expression_or_told_its_faults(text: str, event: dict[str, Any]) -> None:
    """`compiled` raises nothing else, and what it lets through finds JSON values only."""
    try:
        form = compiled(email=text)
    except FormatFaults:
        return
    found = form.find("email", document(json.dumps(event).replace("Infinity", "1e999").replace("NaN", "0")))
    json.dumps(found)


HOSTILE = {
    "numbers": {"a": [1] * (EVENT_BYTES // 3)},
    "lists": {"a": [[]] * (EVENT_BYTES // 4)},
    "objects": {"a": [{"b": "c"}] * (EVENT_BYTES // 12)},
    "quotes": {"a": '"' * (EVENT_BYTES // 2 - 10)},
    "text": {"a": ["x" * 30] * (EVENT_BYTES // 34)},
    "deep": json.loads('{"a":' * 100 + "[]" + "}" * 100),
}
COSTLY = (
    "a[?b == 'c' || b == 'd' || b == 'e'].b | [0]", "a[*].b.c.d", "a[].b", "to_string([to_string([to_string(@)])])",
    "[@,@] | [@,@] | [@,@] | to_string(@)", "a[?a || b || @ == `1`]", "join('" + "x" * 60 + "', map(&to_string(@), a))",
    "map(&[@,@], map(&[@,@], a)) | to_string(@)", "sort_by(a, &to_string(@))", "@ == @ && a == a && @ == @ && a == a",
    "{x: @, y: a}.*.a[]", "a.a.a.*.*.*.*",
)  # fmt: skip


@pytest.mark.parametrize("text", COSTLY)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_event_makes_an_expression_explode(name: str, text: str) -> None:
    """Whatever passes the check takes a bounded number of steps, and finds no more than a bounded lot."""
    event = HOSTILE[name]
    searched = Expression(text)
    try:
        found = searched.search(event)
    except NoAnswer:
        return
    assert len(json.dumps(found)) <= MOST_WORK * (EVENT_BYTES + 100)


def test_steps_are_counted() -> None:
    """A list of a thousand objects is nothing; one made to cost is given up, each time alike."""
    searched = Expression("a[?b == 'x'].b | [0]")
    assert searched.search({"a": [{"b": "c"}] * 1000 + [{"b": "x"}]}) == "x"
    for _ in range(2):
        with pytest.raises(NoAnswer, match="over 10000 steps"):
            searched.search({"a": [1] * 10_000})
    assert reason({"timestamp": 1590947747, "a": [1] * 10_000}, email="a[?b == 'x'].b | [0]") is Reason.INVALID_EMAIL


def test_a_deep_document_is_no_fault() -> None:
    """Also where nobody has looked at its depth before."""
    event: dict[str, object] = {}
    for _ in range(2_000):
        event = {"a": event}
    assert compiled(email="a.a").find("email", event) in ({}, event["a"]["a"])  # type: ignore[index]
