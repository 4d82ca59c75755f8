"""Decides which dead letters would be accepted now, and what is sent for them. Pure.

The same functions as in ingest decide, with the current workspaces file, as if the event had just been received: what
would be rejected again is not sent.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple

from daymark.resending.letters import Letter
from schemas import credentials, segment
from schemas.identify import Identify
from schemas.rejections import Reason, Rejection
from schemas.workspace import Workspaces

# How the messages of rejections describe incomplete events (contract, sections 2 and 7).
_PARTIAL: Final = re.compile(r"\(part \d+ of \d+\)$|bytes are kept here\)$")


class Standing(StrEnum):
    """The outcome of a letter in a resend."""

    READY = "ready"  # it would be accepted now
    REFUSED = "still_rejected"  # it would be rejected again
    SENT = "sent_before"
    PARTIAL = "incomplete"  # only part of the event was recorded, or its workspace is unknown


class Event(NamedTuple):
    """An event as it is published again: the contact's e-mail is its key."""

    key: bytes
    value: bytes
    workspace: str


class Judged(NamedTuple):
    """A letter's standing; its event if it is ready, or why it would be rejected again."""

    standing: Standing
    event: Event | None = None
    refusal: Rejection | None = None


def judge(letter: Letter, workspaces: Workspaces, now_ms: int, *, is_sent: bool) -> Judged:
    """Return the outcome of a letter.

    Args:
        letter: a rejected event.
        workspaces: as they are now.
        now_ms: the time of receipt.
        is_sent: whether it was resent before.
    """
    if is_sent:
        return Judged(Standing.SENT)
    if letter.workspace is None or _PARTIAL.search(letter.message):
        return Judged(Standing.PARTIAL)
    # An element of a batch must have the type identify, and a rejection does not say whether it came in one.
    strict = letter.stage == "ingest" and letter.reason == Reason.UNSUPPORTED_TYPE
    workspace = workspaces.get(letter.workspace)
    found, value = segment.read(letter.raw, now_ms, workspace, type_required=strict), letter.raw
    if isinstance(found, Identify) and found.bears_key:
        value = credentials.without_key(value)
        found = segment.read(value, now_ms, workspace, type_required=strict)
    if isinstance(found, Rejection):
        return Judged(Standing.REFUSED, refusal=found)
    return Judged(Standing.READY, Event(found.email.encode(), value, letter.workspace))
