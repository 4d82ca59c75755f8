"""What became of an event, according to the topics. Pure.

What is recorded takes precedence over the current workspaces file: an event that was rejected stays rejected, even if
today's format would accept it.
"""

from collections.abc import Container, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from daymark.auditing.records import Output, Raw
from daymark.auditing.truth import Truth, trait_key
from schemas import lanes
from schemas.forgotten import property_identity
from schemas.identify import Change, Identify
from schemas.rejections import Rejection


class Verdict(StrEnum):
    """What became of an event."""

    TAKEN = "taken"  # it is the interaction of its contact-day
    DUPLICATE = "duplicate"  # another event was first on that day
    REJECTED = "rejected"
    UNREAD = "unread"  # the group has not committed it yet
    FORGOTTEN = "forgotten"  # `daymark forget` has erased the results of its contact-day
    MISSING = "missing"  # committed, but no result can be found any more


class Standing(StrEnum):
    """What became of a change of a property."""

    CURRENT = "current"  # it is the property's newest record
    SUPERSEDED = "superseded"  # a newer change replaced it
    UNREAD = "unread"
    FORGOTTEN = "forgotten"
    MISSING = "missing"


class Emitted(msgspec.Struct, frozen=True):
    """A record that resulted from an event: its coordinates, its timestamp, and the event that it names."""

    record: str
    emitted_at_ms: int
    source: str
    timestamp_ms: int
    message_id: str | None
    received_at_ms: int | None


class Property(msgspec.Struct, frozen=True):
    """A property that the event changes, and its current record."""

    name: str
    value: Any
    standing: Standing
    newest: Emitted | None = None


class Fate(msgspec.Struct, frozen=True):
    """An event and what became of it.

    Attributes:
        source: its partition and offset in segment.events, or in segment.backfill: `backfill/3:17`.
        ahead: how many offsets the group has yet to commit before it; 0 once it is committed.
        winner: the record of its contact-day, whether from this event or an earlier one.
        rejected_at: of the record in segment.rejected.
    """

    source: str
    workspace: str
    appended_ms: int
    received_at_ms: int | None
    verdict: Verdict
    email: str | None = None
    timestamp_ms: int | None = None
    message_id: str | None = None
    day: int | None = None
    interaction_id: str | None = None
    ahead: int = 0
    winner: Emitted | None = None
    reason: str | None = None
    message: str | None = None
    rejected_at: str | None = None
    properties: tuple[Property, ...] = ()


class Found(NamedTuple):
    """A requested event, and its interpretation now."""

    raw: Raw
    read: Identify | Rejection


class Record(NamedTuple):
    """A record of an output topic, and when it was written."""

    output: Output
    emitted_at_ms: int


class Evidence(NamedTuple):
    """What the topics hold: the group's offsets, and the records that may have resulted from the events.

    Interactions and traits are by their keys, each in the order of their partition; rejections by the event that they
    name. Erased records are missing; their identities are in `forgotten`.
    """

    stands: Mapping[int, int]
    interactions: Mapping[bytes, Sequence[Record]]
    traits: Mapping[bytes, Sequence[Record]]
    rejections: Mapping[tuple[int, int], Record]
    forgotten: Container[bytes] = ()


def fate(found: Found, evidence: Evidence, truth: Truth) -> Fate:
    """Return what became of an event."""
    raw, read = found
    at = raw.partition, raw.offset
    known = Fate(place(*at), raw.workspace, raw.appended_ms, raw.received_at_ms, Verdict.MISSING)
    ahead = max(0, raw.offset + 1 - evidence.stands.get(raw.partition, 0))
    if isinstance(read, Identify):
        identity, day = truth.contact_day(raw, read)
        known = msgspec.structs.replace(
            known,
            email=read.email,
            timestamp_ms=read.timestamp_ms,
            message_id=read.message_id,
            day=day,
            interaction_id=identity,
            properties=tuple(_property(raw, read, change, evidence, unread=ahead > 0) for change in read.changes),
        )
        records = evidence.interactions.get(identity.encode(), ())
        if records:
            own = next((record for record in records if _source(record) == at), None)
            verdict = Verdict.TAKEN if own else Verdict.UNREAD if ahead else Verdict.DUPLICATE
            return msgspec.structs.replace(known, verdict=verdict, winner=emitted(own or records[0]), ahead=ahead)
        if UUID(identity).bytes in evidence.forgotten:
            return msgspec.structs.replace(known, verdict=Verdict.FORGOTTEN, ahead=ahead)
    return _without_interaction(known, read, evidence.rejections.get(at), ahead)


def emitted(record: Record) -> Emitted:
    """Return a record of an interaction or a property in the form shown."""
    fields = record.output.fields
    return Emitted(
        place(record.output.partition, record.output.offset),
        record.emitted_at_ms,
        place(*_source(record)),
        fields["timestamp"],
        fields["message_id"],
        fields["received_at"],
    )


def place(partition: int, offset: int) -> str:
    """Return a record's coordinates as text, with the lane of a raw one of segment.backfill."""
    return lanes.place(partition, offset)


def _without_interaction(known: Fate, read: Identify | Rejection, rejection: Record | None, ahead: int) -> Fate:
    if rejection is not None:
        fields, at = rejection.output.fields, place(rejection.output.partition, rejection.output.offset)
        return msgspec.structs.replace(
            known,
            verdict=Verdict.REJECTED,
            reason=fields["reason"],
            message=fields["message"],
            rejected_at=at,
            properties=(),
        )
    if isinstance(read, Rejection):
        known = msgspec.structs.replace(known, reason=str(read.reason), message=read.message)
    return msgspec.structs.replace(known, verdict=Verdict.UNREAD if ahead else Verdict.MISSING, ahead=ahead)


def _property(raw: Raw, identify: Identify, change: Change, evidence: Evidence, *, unread: bool) -> Property:
    key = trait_key(raw.workspace, identify.email, change.name)
    records = evidence.traits.get(key, ())
    if not records:
        absent = Standing.FORGOTTEN if property_identity(key) in evidence.forgotten else Standing.MISSING
        return Property(change.name, change.value, Standing.UNREAD if unread else absent)
    last = records[-1]
    newest = emitted(last)
    if _source(last) == (raw.partition, raw.offset):
        return Property(change.name, change.value, Standing.CURRENT, newest)
    own = any(_source(record) == (raw.partition, raw.offset) for record in records)
    if own or last.output.fields["timestamp"] >= identify.timestamp_ms:
        return Property(change.name, change.value, Standing.SUPERSEDED, newest)
    return Property(change.name, change.value, Standing.UNREAD if unread else Standing.MISSING, newest)


def _source(record: Record) -> tuple[int, int]:
    return record.output.fields["source_partition"], record.output.fields["source_offset"]
