"""What ingest takes, and under which key, is what the reader says: `entry` is a shorter road to the same answer."""

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from schemas import credentials, entry, segment, workspace
from schemas.identify import Identify
from schemas.rejections import Reason, Rejection
from schemas.segment import DEPTH_LIMIT, EVENT_LIMIT_BYTES, FUTURE_MS
from schemas.workspace import PLAIN, Workspace
from tests import strategies
from tests.bench import mixed

NOW_MS = 1_800_000_000_000
FORMATTED = workspace.parse('[workspaces.w.format]\nemail = "user.mail"').get("w")
SOUND = b'"type":"identify","timestamp":"2020-05-31","traits":{"email":"a@b"}'


@given(strategies.events(), st.sampled_from([PLAIN, FORMATTED]), st.booleans())
def test_any_event_is_judged_as_by_the_reader(body: bytes, owner: Workspace, type_required: bool) -> None:  # noqa: FBT001
    found = entry.admit(body, NOW_MS, owner, type_required=type_required)
    event("refused" if isinstance(found, Rejection) else "shown" if _shown(body) else "read")
    assert found == _judged(body, owner, type_required=type_required)


@given(strategies.mutated_examples())
def test_damage_is_seen_in_fields_that_are_skipped(body: bytes) -> None:
    assert entry.admit(body, NOW_MS) == _judged(body, PLAIN, type_required=False)


def test_what_senders_send_is_judged_as_by_the_reader() -> None:
    """And nearly all that is taken is shown to be sound without it."""
    bodies = [drawn.body for drawn in mixed.calls(mixed.Mix(1_000, unlisted=0.5))]
    assert [entry.admit(body, NOW_MS) for body in bodies] == [_judged(body, PLAIN) for body in bodies]
    assert sum(map(_shown, bodies)) > 900


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        (SOUND, b"a@b"),
        (SOUND.replace(b"a@b", b" A@B ") + b',"email":"c@d"', b"a@b"),
        (SOUND + b',"plan":{"email":"c@d","timestamp":5}', b"a@b"),
        (SOUND + b',"context":{"traits":{"email":"c@d"},"x":[{"y":[]}]}', b"a@b"),
        (b'"event":"writes the key",' + SOUND, b"a@b"),
        (SOUND.replace(b"timestamp", b"originalTimestamp"), b"a@b"),
        (SOUND.replace(b'"2020-05-31"', b'null,"originalTimestamp":"2020-05-31"'), b"a@b"),
        (SOUND.replace(b'"email":"a@b"', b'"email":"bad"') + b',"context":{"traits":{"email":"c@d"}}', b"c@d"),
        (SOUND.replace(b'"email":"a@b"', b"") + b',"email":"c@d"', b"c@d"),
        ('"event":"\u00fc",'.encode() + SOUND, b"a@b"),
        ('"event":"\u212a",'.encode() + SOUND, b"a@b"),
        (b'"event":"a\\nb","url":"http:\\/\\/x\\/",' + SOUND, b"a@b"),
    ],
)
def test_nearly_every_event_is_shown_to_be_taken(fields: bytes, key: bytes) -> None:
    body = b"{%s}" % fields
    assert _shown(body)
    assert entry.admit(body, NOW_MS, type_required=True) == (key, body)


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        (SOUND.replace(b"identify", b"Identify"), b"a@b"),
        (SOUND.replace(b'"email":"a@b"', b'"email":"bad","E-mail":"c@d"'), b"c@d"),
        (SOUND.replace(b"timestamp", b"Timestamp") + b',"originalTimestamp":"2099-01-01"', b"a@b"),
        (SOUND.replace(b'"email":"a@b"', b'"E\\u006dail":"c@d","email":"bad"'), b"c@d"),
        (b'"event":"\\ud83d",' + SOUND, b"a@b"),
        ('"\u212aey":"",'.encode() + SOUND, b"a@b"),
    ],
)
def test_others_are_read(fields: bytes, key: bytes) -> None:
    body = b"{%s}" % fields
    assert entry.admit(body, NOW_MS, type_required=True) == (key, body)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (SOUND.replace(b"identify", b"track"), Reason.UNSUPPORTED_TYPE),
        (SOUND.replace(b"2020", b"2099"), Reason.TIMESTAMP_IN_FUTURE),
        (SOUND.replace(b"2020", b"x"), Reason.INVALID_TIMESTAMP),
        (SOUND.replace(b"timestamp", b"time"), Reason.MISSING_TIMESTAMP),
        (SOUND.replace(b"a@b", b"a"), Reason.INVALID_EMAIL),
        (SOUND.replace(b"email", b"mail"), Reason.MISSING_EMAIL),
        (SOUND + b',"x":"\xff"', Reason.MALFORMED_JSON),
        (SOUND + b',"url":"\xff"', Reason.MALFORMED_JSON),
        (SOUND + b',"url":"\\u12G4"', Reason.MALFORMED_JSON),
        (SOUND + b',"url":"\\x"', Reason.MALFORMED_JSON),
        (SOUND + b',"x":01', Reason.MALFORMED_JSON),
        (SOUND + b',"x":' + b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT, Reason.MALFORMED_JSON),
        (SOUND + b" " * EVENT_LIMIT_BYTES, Reason.TOO_LARGE),
    ],
)
def test_what_is_refused_is_refused_with_the_readers_reason(fields: bytes, reason: Reason) -> None:
    found = entry.admit(b"{%s}" % fields, NOW_MS)
    assert isinstance(found, Rejection)
    assert found.reason is reason


@pytest.mark.parametrize("name", [b"writeKey", b"WRITE_KEY", b"write key", b"writeK\\u0065y", "write\u212aey".encode()])
def test_a_key_is_cut_out(name: bytes) -> None:
    body = b'{%s,"%s":"KEY"}' % (SOUND, name)
    assert entry.admit(body, NOW_MS) == (b"a@b", b"{%s}" % SOUND)


def _shown(body: bytes) -> bool:
    return entry.known(body, NOW_MS + FUTURE_MS) is not None


def _judged(body: bytes, owner: Workspace, *, type_required: bool = False) -> entry.Admitted | Rejection:
    """By the reader, twice where a key is cut out."""
    found = segment.read(body, NOW_MS, owner, type_required=type_required)
    if isinstance(found, Identify) and found.bears_key:
        body = credentials.without_key(body)
        found = segment.read(body, NOW_MS, owner, type_required=type_required)
    return (found.email.encode(), body) if isinstance(found, Identify) else found
