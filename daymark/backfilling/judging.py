"""Which lines of an archive are sent, and what is sent for them: the judgement of ingest. Pure."""

from typing import Any, Final, NamedTuple

import msgspec

from schemas import credentials, rejections, segment, timestamps
from schemas.rejections import Rejection
from schemas.segment import EVENT_LIMIT_BYTES
from schemas.workspace import Workspace

LINE_BYTES: Final = 2 * EVENT_LIMIT_BYTES  # an event may stand between white space; what is longer is none


class Event(NamedTuple):
    """An event as it is published: the contact's e-mail is its key."""

    key: bytes
    value: bytes
    timestamp_ms: int


class Wanted(NamedTuple):
    """Which events are wanted: of which time, from `since_ms` and before `until_ms`; None: any."""

    since_ms: int | None = None
    until_ms: int | None = None

    def holds(self, timestamp_ms: int) -> bool:
        """Whether an event of a time is wanted."""
        since_ms, until_ms = self
        return (since_ms is None or since_ms <= timestamp_ms) and (until_ms is None or timestamp_ms < until_ms)


class _Received(msgspec.Struct, gc=False):
    receivedAt: Any = None  # noqa: N815  Segment's name


_received = msgspec.json.Decoder(_Received).decode


def judge(line: bytes | None, workspace: Workspace, wanted: Wanted, now_ms: int) -> Event | Rejection | None:
    """Return what is sent for a line, or why it is rejected; None where it is of another time than is wanted.

    A time that was in the future when Segment received the event is refused as it would have been then.

    Args:
        line: a call as Segment archived it; None where it is too long for one.
        workspace: whose it is.
        wanted: of which time.
        now_ms: when it is sent, which is when it was received where it does not say.
    """
    if line is None:
        return rejections.TOO_LARGE
    body = line.strip()
    received_at_ms = _received_at_ms(body, now_ms)
    found = segment.read(body, received_at_ms, workspace, type_required=True)
    if not isinstance(found, Rejection) and found.bears_key:
        body = credentials.without_key(body)
        found = segment.read(body, received_at_ms, workspace, type_required=True)
    if isinstance(found, Rejection):
        return found
    return Event(found.email.encode(), body, found.timestamp_ms) if wanted.holds(found.timestamp_ms) else None


def _received_at_ms(body: bytes, now_ms: int) -> int:
    try:
        found = timestamps.parse(_received(body).receivedAt)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    return now_ms if found is None else min(found, now_ms)
