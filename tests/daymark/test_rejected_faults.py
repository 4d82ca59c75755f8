"""Where the fault of a rejected event is marked."""

import json

import pytest

from daymark.resending.faults import mark
from daymark.resending.letters import Letter
from daymark.resending.mending import Standing, judge
from schemas import rejections
from schemas.rejections import Rejection
from schemas.workspace import PLAIN, Workspaces, parse

NOW_MS = 1_800_000_000_000
GOOD = {"traits": {"email": "ana@example.org"}, "timestamp": "2020-05-01T12:00:00Z"}


def letter(raw: bytes, rejection: Rejection, stage: str = "processor", workspace: str | None = "w") -> Letter:
    return Letter(0, 7, NOW_MS, None, str(rejection.reason), rejection.message, stage, workspace, raw, NOW_MS, (0, 3))


def marked(event: object, reason: str) -> tuple[list[str], str]:
    """Return the marked lines and the note."""
    found = mark(json.dumps(event).encode(), reason, PLAIN)
    return [line[2:].strip() for line in found.lines if line.startswith("> ")], found.note


def test_a_value_that_is_at_fault_is_marked_in_any_spelling() -> None:
    event = {"Traits": {"E-Mail": "nobody", "name": "x"}, "timestamp": "yesterday", "TYPE": "track"}
    assert marked(event, "invalid_email") == (['"E-Mail": "nobody",'], "see Traits.E-Mail")
    assert marked(event, "invalid_timestamp") == (['"timestamp": "yesterday",'], "see timestamp")
    assert marked(event, "unsupported_type") == (['"TYPE": "track"'], "see TYPE")


def test_what_is_missing_is_told_with_where_it_was_looked_for() -> None:
    assert marked({"traits": {}}, "missing_email") == ([], "nothing at traits.email, context.traits.email, email")
    assert marked({}, "missing_timestamp") == ([], "nothing at timestamp, originalTimestamp")
    assert marked({"a": "b"}, "too_large") == ([], "10 bytes; the fault is not at one place in the event")


@pytest.mark.parametrize(
    ("raw", "at", "note"),
    [
        (b'{"a": nonsense}', 6, "not JSON at character 6: Expecting value"),
        (b'{"a": "\xff"}', 7, "byte 7 of 10 is not UTF-8"),
        (b"x" * 100, 0, "not JSON at character 0: Expecting value"),
        (b'{"pad": "' + b"x" * 100 + b'", }', 60, "not JSON at character 112"),
        (b'{"a": NaN}', 0, "not JSON: NaN is not JSON"),
        (b"[1]", 0, "JSON, but not an object"),
    ],
)
def test_bytes_that_are_no_json_are_pointed_at(raw: bytes, at: int, note: str) -> None:
    found = mark(raw, "malformed_json", PLAIN)
    shown, pointer = found.lines
    assert pointer == "> " + " " * at + "^"
    assert found.note.startswith(note)
    assert len(shown) <= 2 + 60 + 60


def test_a_formats_expression_is_named() -> None:
    workspace = parse('[workspaces.w.format]\nemail = "user.mail"').by_name["w"]
    found = mark(json.dumps(GOOD).encode(), "missing_email", workspace)
    assert found.note == "the format of workspace w says that email is user.mail"


def test_what_would_be_taken_now_is_ready_under_its_contacts_key() -> None:
    """An API key is cut out; the event's bytes are otherwise its own."""
    raw = json.dumps({**GOOD, "traits": {"email": " Ana@Example.org "}, "writeKey": "secret"}).encode()
    found = judge(letter(raw, rejections.MISSING_EMAIL), Workspaces(), NOW_MS, is_sent=False)
    assert found.standing is Standing.READY
    assert found.event is not None
    assert (found.event.key, found.event.workspace) == (b"ana@example.org", "w")
    assert b"secret" not in found.event.value
    assert json.loads(found.event.value) == {**GOOD, "traits": {"email": " Ana@Example.org "}}


@pytest.mark.parametrize(
    ("given", "standing"),
    [
        (letter(b"{}", rejections.MISSING_EMAIL), Standing.REFUSED),
        (letter(json.dumps(GOOD).encode(), rejections.MISSING_EMAIL, workspace=None), Standing.PARTIAL),
        (letter(json.dumps(GOOD).encode(), rejections.UNSUPPORTED_TYPE, "ingest"), Standing.REFUSED),
        (letter(json.dumps(GOOD).encode(), rejections.UNSUPPORTED_TYPE), Standing.READY),
        (
            letter(b"{}", Rejection(rejections.TOO_LARGE.reason, "The event is larger than 32 KiB (part 2 of 4)")),
            Standing.PARTIAL,
        ),
        (
            letter(b"{}", Rejection(rejections.TOO_LARGE.reason, "x (the first 512 of 600 bytes are kept here)")),
            Standing.PARTIAL,
        ),
    ],
)
def test_what_would_be_rejected_again_or_is_not_whole_is_left(given: Letter, standing: Standing) -> None:
    assert judge(given, Workspaces(), NOW_MS, is_sent=False).standing is standing
    assert judge(given, Workspaces(), NOW_MS, is_sent=True).standing is Standing.SENT
