"""What the store answers: frozen values, which `msgspec.json.encode` writes as JSON.

Instants are epoch milliseconds (`…_ms`), days are dates, places are written partition:offset.
"""

from datetime import date
from typing import Any, Literal, NamedTuple

import msgspec

Outcome = Literal["accepted", "rejected"]
Level = Literal["close", "warm", "fading", "silent", "unknown"]


class Contact(msgspec.Struct, frozen=True):
    """A contact of a workspace. `key` stands for it in addresses; a search does not count `interactions`."""

    key: str
    workspace: str
    email: str
    interactions: int | None = None
    first_day: date | None = None
    last_day: date | None = None


class Entry(msgspec.Struct, frozen=True):
    """An interaction: one contact was in touch on one day.

    Attributes:
        contact: the contact's key.
        at_ms: when it happened, as the event says.
        emitted_at_ms: when the worker wrote it.
        source: its event's place in segment.events.
        record: its own in timeline.interactions.
    """

    interaction_id: str
    contact: str
    workspace: str
    email: str
    day: date
    at_ms: int
    description: str
    described_by: str
    url: str | None
    event: str | None
    message_id: str | None
    received_at_ms: int | None
    emitted_at_ms: int
    source: str
    record: str


class Page(msgspec.Struct, frozen=True):
    """A stretch of a timeline, the newest day first; `before` asks for the next one, None: this is the last."""

    entries: tuple[Entry, ...]
    before: date | None


class DayCount(msgspec.Struct, frozen=True):
    """A day with interactions, and how many: one."""

    day: date
    interactions: int = 1


class Closeness(msgspec.Struct, frozen=True):
    """How close a contact is: days with an interaction in the last 30, 90 and 365, and what `closeness` makes of it."""

    days_30: int
    days_90: int
    days_365: int
    last_day: date | None
    score: int
    level: Level


class Property(msgspec.Struct, frozen=True):
    """A user property: its value, and since when it has it, as far as the topic still tells."""

    name: str
    kind: str
    value: Any
    membership: bool | None
    since_ms: int
    changed_at_ms: int
    message_id: str | None
    source: str


class Membership(msgspec.Struct, frozen=True):
    """A stretch of time in an audience or journey; None: before what is known, or still in it."""

    name: str
    kind: str
    entered_ms: int | None
    left_ms: int | None


class Audience(msgspec.Struct, frozen=True):
    """An audience or journey: how many are in it, and how many entries and exits are known."""

    workspace: str
    name: str
    kind: str
    members: int
    entered: int
    left: int
    changed_at_ms: int


class Flow(msgspec.Struct, frozen=True):
    """How many entered and left an audience in the hour or day that began at `at_ms`."""

    at_ms: int
    entered: int
    left: int


class Wanted(NamedTuple):
    """Which deliveries are meant; None: any. A contact is given by its key."""

    workspace: str | None = None
    outcome: Outcome | None = None
    reason: str | None = None
    contact: str | None = None
    message_id: str | None = None


class Delivery(msgspec.Struct, frozen=True):
    """An event that was accepted or rejected.

    Attributes:
        cursor: where it stands; for the next page, or what came since.
        title: an interaction's description, or a rejection's reason.
        detail: a rejection's message; of an interaction empty.
        record: an interaction's id, or a rejection's place in segment.rejected.
    """

    cursor: str
    outcome: Outcome
    at_ms: int
    workspace: str
    contact: str | None
    email: str | None
    title: str
    detail: str
    message_id: str | None
    source: str | None
    record: str


class Rejection(msgspec.Struct, frozen=True):
    """A dead letter, with the event's bytes."""

    place: str
    reason: str
    message: str
    stage: str
    workspace: str
    raw: bytes
    received_at_ms: int | None
    rejected_at_ms: int
    source: str | None
    resent: bool


class RejectionCount(msgspec.Struct, frozen=True):
    """How many events were rejected, by what was asked for; None: by anything else."""

    count: int
    reason: str | None = None
    workspace: str | None = None
    hour_ms: int | None = None


class WorkspaceTotals(msgspec.Struct, frozen=True):
    """How much of a workspace is in the store."""

    workspace: str
    contacts: int
    interactions: int
    rejections: int


class PartitionState(msgspec.Struct, frozen=True):
    """How far a partition is read, and where it ended when it was last looked at."""

    topic: str
    partition: int
    next_offset: int
    end_offset: int
    read_at_ms: int


class ReadingState(msgspec.Struct, frozen=True):
    """How far the store is behind the topics, in records, and what its reader said last."""

    behind: int
    read_at_ms: int | None
    said: str | None
    said_at_ms: int | None
