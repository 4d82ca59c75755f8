"""What any bytes must come to when they are read as an event: the oracle of the fuzzer and of its corpus' replay."""

import math
from itertools import accumulate

from schemas import contact, rejections, timestamps, workspace
from schemas.identify import Change
from schemas.rejections import Rejection
from schemas.workspace import PLAIN, Workspace
from tests import whole
from tests.whole import Whole

NOW_MS = 1_800_000_000_000  # in January 2027
_AHEAD_MS = 24 * 3_600_000
_WITH_SETTINGS = """
[workspaces.audiences]
audiences = ["vip", "Big Spender"]
[workspaces.formatted.format]
email = "traits.contact.mail || traits.email"
timestamp = "timestamp || to_number(context.time)"
url = "join('/', [context.page.url, context.page.path])"
event = "traits.tags[?starts_with(@, 'e')] | [0]"
"""
_AUDIENCES, _FORMATTED = workspace.parse(_WITH_SETTINGS).by_name.values()


def check(body: bytes) -> Whole | Rejection:
    """Hold the reader to its promises on one input, and return what it reads for a workspace without settings.

    It never raises, says the same twice, and says what the tolerant path with the contract's limits says.
    """
    for owner, type_required in ((_FORMATTED, False), (_AUDIENCES, False), (PLAIN, True), (PLAIN, False)):
        found = whole.read(body, NOW_MS, owner, type_required=type_required)
        expected = _expected(body, owner, type_required=type_required)
        assert found == expected, f"{found}, not {expected}; {owner.name}, type required: {type_required}"
        if isinstance(found, Whole):
            _check_identify(found)
    assert found == whole.read(body, NOW_MS), "another answer the second time"
    return found


def _expected(body: bytes, owner: Workspace, *, type_required: bool) -> Whole | Rejection:
    """Read by the contract, without the fast path and without its cunning."""
    if len(body) > 32 * 1024:
        return rejections.TOO_LARGE
    if body.count(b"{") + body.count(b"[") > 128 and _depth(body) > 128:
        return rejections.MALFORMED_JSON
    found = whole.reference(body, owner, type_required=type_required)
    if isinstance(found, Whole) and found.timestamp_ms > NOW_MS + _AHEAD_MS:
        return rejections.TIMESTAMP_IN_FUTURE
    return found


def _check_identify(found: Whole) -> None:
    assert contact.normalise(found.email) == found.email
    assert timestamps.day(found.timestamp_ms, None) is not None
    for text in (found.email, found.url, found.event, found.message_id):
        assert text is None or text.encode().strip(), f"{text!r} is not fit to be kept"
    assert all(map(_is_fit, found.changes)), f"{found.changes} are not fit to be kept"


def _is_fit(change: Change) -> bool:
    """Whether Avro can write a change: text without half a character, 64 bits, numbers that are some."""
    change.name.encode()
    match change.value:
        case None | bool():
            return True
        case str():
            return change.value.encode() is not None
        case int():
            return -(2**63) <= change.value < 2**63
        case float():
            return math.isfinite(change.value)


def _depth(body: bytes) -> int:
    """Return how deep the brackets outside of strings go, one byte after the other."""
    steps, quoted, escaped = [], False, False
    for byte in body:
        if quoted:
            quoted, escaped = escaped or byte != ord('"'), not escaped and byte == ord("\\")
        elif byte == ord('"'):
            quoted = True
        elif byte in b"[{":
            steps.append(1)
        elif byte in b"]}":
            steps.append(-1)
    return max(accumulate(steps), default=0)
