"""The fast path is the tolerant one, only faster; and `read` has an answer to any bytes."""

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase, event, given, seed, settings
from hypothesis import strategies as st

from schemas import contact, timestamps
from schemas.rejections import Reason, Rejection
from schemas.workspace import PLAIN, Workspace
from tests import examples, strategies
from tests.whole import Whole, fast_path, read, reference

# Audiences that a search of bytes can find, and some that it cannot.
WORKSPACES = [PLAIN, Workspace("w", audiences=("vip", "Total Spent")), Workspace("w", audiences=("gr\u00f6\u00dfe",))]

NOW_MS = 1_800_000_000_000
DAY_MS = 1_590_883_200_000  # 2020-05-31


def test_the_fast_path_is_the_tolerant_one_on_every_example() -> None:
    """Where the fast path answers, it gives the tolerant path's answer."""
    for example in examples.load():
        _is_same(fast_path(example.body, PLAIN), reference(example.body, PLAIN, type_required=False))


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (rb'"\u0045vent":"x"', {"event": "x"}),
        (rb'"message\u005fid":"x"', {"message_id": "x"}),
        (rb'"u\u0052l":"x"', {"url": "x"}),
        (b'"Event":"x"', {"event": "x"}),
        (b'"e-v_e nt":"x"', {"event": "x"}),
        (b'"message_id":"x"', {"message_id": "x"}),
        (b'"url":"x"', {"url": "x"}),
        (b'"U R L":"x"', {"url": "x"}),
        (b'"page":{"URL":"x"},"context":{"page":{"url":"y"}}', {"url": "x"}),
        (b'"Page":{"url":"x"},"context":{"page":{"url":"y"}}', {"url": "x"}),
        (b'"page":{"url":""},"context":{"page":{"url":"y"}}', {"url": "y"}),
        (b'"page":{"url":"x"},"page":{"title":"z"},"url":"y"', {"url": "y"}),
        (b'"context":{"page":{"url":" "}},"url":"y"', {"url": "y"}),
        (b'"event":"","EVENT":"x"', {"event": "x"}),
        (b'"event":"x","event":null,"Event":"y"', {"event": "y"}),
        (b'"type":null,"TYPE":"identify"', {}),
        (b'"traits":{"email":"bad"},"email":"c@d"', {"email": "c@d"}),
    ],
)
def test_the_fast_path_is_not_taken_in(more: bytes, found: dict[str, Any]) -> None:
    """What the typed decode does not see is looked for all the same."""
    body = b'{"type":"identify","timestamp":"2020-05-31","traits":{"email":"a@b"},%s}' % more
    plain = Whole("a@b", 1_590_883_200_000)
    assert read(body, NOW_MS) == plain._replace(**found)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b'"originalTimestamp":"2020-05-31"', DAY_MS),
        (b'"timestamp":null,"originalTimestamp":"2020-05-31"', DAY_MS),
        (b'"original_timestamp":"2020-05-31"', DAY_MS),
        (b'"timestamp":null,"ORIGINAL-TIMESTAMP":1590883200', DAY_MS),
        (b'"original\\u0054imestamp":"2020-05-31"', DAY_MS),
        (b'"originalTimestamp":null,"OriginalTimestamp":"2020-05-31"', DAY_MS),
        (b'"timestamp":"2020-05-31","originalTimestamp":"2019-01-01"', DAY_MS),
        (b'"Timestamp":"2020-05-31","originalTimestamp":"2019-01-01"', DAY_MS),
        (b'"timestamp":"2020-05-31","originalTimestamp":null', DAY_MS),
        (b'"timestamp":"soon","originalTimestamp":"2020-05-31"', Reason.INVALID_TIMESTAMP),
        (b'"TIMESTAMP":"","originalTimestamp":"2020-05-31"', Reason.INVALID_TIMESTAMP),
        (b'"timestamp":false,"originalTimestamp":"2020-05-31"', Reason.INVALID_TIMESTAMP),
        (b'"originalTimestamp":"soon"', Reason.INVALID_TIMESTAMP),
        (b'"originalTimestamp":null', Reason.MISSING_TIMESTAMP),
        (b'"timestamp":null,"originalTimestamp":null', Reason.MISSING_TIMESTAMP),
        (b'"originalTimestamp":"2099-01-01"', Reason.TIMESTAMP_IN_FUTURE),
        (b'"sentAt":"2020-05-31","receivedAt":"2020-05-31"', Reason.MISSING_TIMESTAMP),
    ],
)
def test_the_original_timestamp_stands_in_for_none(fields: bytes, expected: int | Reason) -> None:
    """It counts where `timestamp`, in any spelling, is absent or null, and not where it is invalid: on both paths."""
    body = b'{"type":"identify","traits":{"email":"a@b"},%s}' % fields
    found = read(body, NOW_MS)
    assert (found.reason if isinstance(found, Rejection) else found.timestamp_ms) == expected
    _is_same(fast_path(body, PLAIN), reference(body, PLAIN, type_required=False))


@given(strategies.events(), st.sampled_from(WORKSPACES))
def test_the_fast_path_is_the_tolerant_one_on_any_event(body: bytes, workspace: Workspace) -> None:
    """Any casing, place, duplicate, escape, order, white space or type: the same answer, properties included."""
    found, expected = fast_path(body, workspace), reference(body, workspace, type_required=False)
    event(_told(found))
    _is_same(found, expected)


@given(strategies.mutated_examples())
def test_the_fast_path_is_the_tolerant_one_on_damaged_events(body: bytes) -> None:
    """Damage that the typed decode does not see, in fields that it skips, is seen all the same."""
    found, expected = fast_path(body, PLAIN), reference(body, PLAIN, type_required=False)
    event(_told(found))
    _is_same(found, expected)


def test_the_fast_path_is_taken_often() -> None:
    """The property above is not empty: of a fixed sample the fast path answers for much, with each place of a url."""
    taken: Counter[str] = Counter()

    @seed(3)
    @settings(max_examples=300, database=None, phases=[Phase.generate])
    @given(strategies.events())
    def sample(body: bytes) -> None:
        found = fast_path(body, PLAIN)
        taken["tolerant" if found is None else "refused" if isinstance(found, Rejection) else "fast"] += 1
        if isinstance(found, Whole):
            taken[_url_place(body) if found.url else "no url"] += 1
            taken["changes"] += len(found.changes)

    sample()
    assert taken["fast"] > 75
    assert taken["tolerant"] > 75
    assert min(taken[place] for place in ("page", "context.page", "no url", "changes")) > 10, taken


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (b'"type":"track"', Reason.UNSUPPORTED_TYPE),
        (b'"type":"identify","traits":{},"timestamp":"2020-05-31"', Reason.MISSING_EMAIL),
        (b'"type":"identify","traits":{"email":null},"context":{"traits":{"email":"bad"}}', Reason.INVALID_EMAIL),
        (b'"type":"identify","timestamp":null', Reason.MISSING_EMAIL),
        (b'"type":"identify","email":"a@b","timestamp":null', Reason.MISSING_TIMESTAMP),
        (b'"type":"identify","email":"a@b","timestamp":"","plan":{"at":1}', Reason.INVALID_TIMESTAMP),
        (b'"type":"identify","email":"a@b","originalTimestamp":"soon"', Reason.INVALID_TIMESTAMP),
        (b'"type":"identify","context":{"app":{"a":01}}', Reason.MALFORMED_JSON),
        (b'"event":"x', Reason.MALFORMED_JSON),
    ],
)
def test_the_fast_path_tells_why_an_event_is_refused(more: bytes, reason: Reason) -> None:
    """The most frequent mistakes are rejected without the tolerant path, with the same message."""
    body = b"{%s}" % more
    found = fast_path(body, PLAIN)
    assert isinstance(found, Rejection)
    assert found.reason is reason
    _is_same(found, reference(body, PLAIN, type_required=False))


@pytest.mark.parametrize(
    "more",
    [
        rb'"event":"half \ud83d"',
        rb'"context":{"app":{"\udc4d":1}}',
        rb'"\ud83d":1',
        rb'"traits":{"email":"a@b","bio":"\ud83d"}',
    ],
)
def test_half_a_character_is_no_fault_of_the_json(more: bytes) -> None:
    """The typed decode refuses a lone surrogate; the event is taken all the same."""
    body = b'{"type":"identify","timestamp":"2020-05-31","traits":{"email":"a@b"},%s}' % more
    assert isinstance(read(body, NOW_MS), Whole)


def test_an_address_in_the_context_is_looked_for() -> None:
    """Traits without a valid address refuse nothing while the context has traits, too."""
    body = b'{"type":"identify","timestamp":"2020-05-31","traits":{"email":"bad"},"context":{"traits":{"email":"a@b"}}}'
    found = read(body, NOW_MS)
    assert isinstance(found, Whole)
    assert found.email == "a@b"


@pytest.mark.parametrize(
    "event_in",
    [
        b'{"type":"identify","timestamp":"2020-05-31T17:55:47Z","traits":{"email":"a@b.c"}}',
        b'{"page":{"url":"u"},"type":"identify","timestamp":"2020-05-31T17:55:47Z","traits":{"email":"a@b.c"}}',
        b'{"page":{"url":"u"},"type":"identify","url":"w","timestamp":"2020-05-31","traits":{"email":"a@b.c"}}',
        b'{"context":{"page":{"url":"u"}},"type":"identify","timestamp":"2020-05-31","traits":{"email":"a@b.c"}}',
        '{"type":"identify","timestamp":"2020-05-31T17:55:47Z","traits":{"email":"jos\u00e9@b.c"},"event":"\u00fc"}'.encode(),
        b'{"type":"identify","originalTimestamp":"2020-05-31T17:55:47Z","traits":{"email":"a@b.c"}}',
        b'{"type":"identify","timestamp":"2020-05-31","context":{"traits":{"email":" A@B.C "}},"event":"a \\u0026 b"}',
        b'{"timestamp":"2020-05-31","email":"a@b.c"}',
        b'{"type":"identify","timestamp":"2020-05-31","traits":{"email":"a@b.c"},"plan":{"of":[{"x":1}]},"x":"y"}',
        b'{"type":"identify","timestamp":"2020-05-31","traits":{"email":"a@b.c","company":{"email":"d@e","url":[]}}}',
        b'{"type":"identify","timestamp":"2020-05-31","traits":{"email":"a@b.c"},"context":{"x":{"y":"\\u00e9"},"page":{}}}',
    ],
    ids=[
        *("no url", "page", "page and another", "context.page", "unicode", "original timestamp", "context.traits"),
        *("top level", "unlisted", "nested in traits", "unlisted in context"),
    ],
)
def test_the_fast_path_answers_for_what_is_sent_most(event_in: bytes) -> None:
    """The recommended format, and what SDKs and Engage send, take the fast path."""
    found = fast_path(event_in, PLAIN)
    assert found is not None
    assert found == reference(event_in, PLAIN)


@pytest.mark.parametrize(
    ("event_in", "reason"),
    [
        (b'{"type":"track","timestamp":"2020-05-31","traits":{"email":"a@b.c"}}', "unsupported_type"),
        (b'{"type":"identify","timestamp":"2020-05-31","traits":{"name":"a"}}', "missing_email"),
        (b'{"type":"identify","timestamp":"2020-05-31","traits":{"email":"a"}}', "invalid_email"),
        (b'{"type":"identify","traits":{"email":"a@b.c"}}', "missing_timestamp"),
        (b'{"type":"identify","timestamp":"soon","traits":{"email":"a@b.c"}}', "invalid_timestamp"),
    ],
)
def test_the_fast_path_refuses_what_is_refused_most(event_in: bytes, reason: str) -> None:
    """An event is rejected without the tolerant path, for the same reason."""
    found = fast_path(event_in, PLAIN)
    assert isinstance(found, Rejection)
    assert found == reference(event_in, PLAIN, type_required=True)
    assert found.reason == reason


@pytest.mark.parametrize("name", ["sdk-segment-python-2.4.0", "sdk-segment-node-3.1.0", "engage-audience-entered"])
def test_the_fast_path_answers_for_real_senders(name: str) -> None:
    """SDKs and Engage take the fast path."""
    [body] = [example.body for example in examples.load() if example.name == name]
    assert fast_path(body, PLAIN) is not None


@given(st.binary(max_size=300))
def test_any_bytes_have_an_answer(body: bytes) -> None:
    """`read` is total."""
    _is_answer(read(body, NOW_MS))


@given(strategies.mutated_examples(), st.booleans())
def test_damaged_events_have_an_answer(body: bytes, type_required: bool) -> None:  # noqa: FBT001
    """`read` is total on what is nearly an event, too, and says the same each time."""
    found = read(body, NOW_MS, type_required=type_required)
    _is_answer(found)
    assert read(body, NOW_MS, type_required=type_required) == found


@given(strategies.events())
def test_what_is_read_is_fit_to_be_kept(body: bytes) -> None:
    """An e-mail is normalised, its day exists everywhere, and no text holds half a character."""
    found = read(body, NOW_MS)
    _is_answer(found)
    if not isinstance(found, Rejection):
        assert contact.normalise(found.email) == found.email
        assert timestamps.day(found.timestamp_ms, None) is not None
        for text in (found.email, found.url, found.event, found.message_id):
            assert text is None or text.encode().strip()


def _told(found: Whole | Rejection | None) -> str:
    if isinstance(found, Rejection):
        return found.reason
    return f"fast, {len(found.changes)} changes" if found else "tolerant"


def _is_same(found: Whole | Rejection | None, reference: Whole | Rejection) -> None:
    # By their texts: 1, 1.0 and true are equal in Python, and three values in contact.traits.
    assert found is None or repr(found) == repr(reference)


def _is_answer(found: object) -> None:
    assert isinstance(found, Whole | Rejection)


def _url_place(body: bytes) -> str:
    event_in = re.sub(rb"\s", b"", body)
    return "context.page" if event_in.count(b'"url"') == 1 and b'"context":{"page":{"url"' in event_in else "page"
