"""Which lines of an archive are sent, and what is sent for them: the judgement of ingest. Pure."""

from typing import Any, Final, NamedTuple

import msgspec

from schemas import credentials, rejections, segment, timestamps
from schemas.rejections import Rejection
from schemas.segment import EVENT_LIMIT_BYTES
from schemas.workspace import Workspace

LINE_BYTES: Final = 2 * EVENT_LIMIT_BYTES  # allows for white space around an event; a longer line is not an event


class Event(NamedTuple):
    """An event as it is published: the contact's e-mail is its key."""

    key: bytes
    value: bytes
    timestamp_ms: int


class Wanted(NamedTuple):
    """The wanted time range of events: from `since_ms`, and before `until_ms`; None: no bound."""

    since_ms: int | None = None
    until_ms: int | None = None

    def holds(self, timestamp_ms: int) -> bool:
        """Whether an event with this timestamp is wanted."""
        since_ms, until_ms = self
        return (since_ms is None or since_ms <= timestamp_ms) and (until_ms is None or timestamp_ms < until_ms)


class _Received(msgspec.Struct, gc=False):
    receivedAt: Any = None  # noqa: N815  Segment's name


_received = msgspec.json.Decoder(_Received).decode


def judge(line: bytes | None, workspace: Workspace, wanted: Wanted, now_ms: int) -> Event | Rejection | None:
    """Return the event to send for a line, or why it is rejected; None if it is outside the wanted time range.

    A timestamp that was in the future when Segment received the event is rejected, as it would have been then.

    Args:
        line: a call as Segment archived it; None if it is too long to be one.
        workspace: to which it belongs.
        wanted: the time range.
        now_ms: the time of sending, which is used if the event has no time of receipt.
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
