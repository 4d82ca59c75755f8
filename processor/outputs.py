"""Decisions -> records to write. Pure."""

from typing import NamedTuple

from processor.decide import Candidate, ContactDay
from processor.records import Output, Record
from processor.traits import Update
from schemas import lanes, segment
from schemas.avro import Codec
from schemas.interaction import interaction_id
from schemas.rejections import Rejection
from schemas.workspace import Workspace

# What a rejection keeps of a record that ingest did not write, which publishes none over 32 KiB.
RAW_LIMIT_BYTES = 512 * 1024
KEY_LIMIT_BYTES = 4 * 1024  # an e-mail has 254 characters

# Key and value of a rejection together: librdkafka's message.max.bytes, and what is around them in a batch.
ROOM_BYTES = 1_000_000 - 4 * 1024
_FIELDS_BYTES = 2 * 1024  # of a rejection without its raw bytes


class Codecs(NamedTuple):
    """How values are written: with or without a schema registry's ids."""

    interaction: Codec
    trait: Codec
    rejected: Codec


def interaction(
    contact_day: ContactDay, candidate: Candidate, workspace: Workspace, topic: str, codec: Codec
) -> Output:
    """Return the interaction that an event becomes, for the same partition as its raw record."""
    record, identify = candidate.record, candidate.identify
    key = interaction_id(contact_day.workspace, contact_day.email, contact_day.day)
    said = segment.describe(identify, record.value, workspace)
    value = codec.pack(  # in the order of TimelineInteraction.avsc
        key,
        contact_day.workspace,
        identify.email,
        contact_day.day,
        identify.timestamp_ms,
        said.event or said.url or workspace.standard_message,
        "event" if said.event else "url" if said.url else "standard",
        said.url,
        said.event,
        identify.message_id,
        record.received_at_ms,
        record.partition,
        record.offset,
    )
    return Output(topic, key.encode(), value, lanes.own(record.partition), record.trace)


def trait(update: Update, topic: str, codec: Codec) -> Output:
    """Return the record of a property's change, for the same partition as its raw record."""
    change, identify, record = update.change, update.identify, update.record
    value = codec.pack(  # in the order of ContactTrait.avsc
        record.workspace,
        identify.email,
        change.name,
        change.value,
        change.kind,
        change.membership,
        identify.timestamp_ms,
        identify.message_id,
        record.received_at_ms,
        record.partition,
        record.offset,
    )
    return Output(topic, update.of, value, lanes.own(record.partition), record.trace)


def rejected(record: Record, rejection: Rejection, topic: str, codec: Codec, room_bytes: int = ROOM_BYTES) -> Output:
    """Return the record of a rejection, under the raw record's key; what is too long of either is truncated.

    Args:
        record: anything that somebody has written to the topic.
        rejection: why it is rejected.
        topic: where it goes.
        codec: how it is written.
        room_bytes: how long key and value may be together.
    """
    message, key = rejection.message, record.key
    if key is not None and len(key) > KEY_LIMIT_BYTES:
        message = f"{message} (the first {KEY_LIMIT_BYTES} of the key's {len(key)} bytes are kept here)"
        key = key[:KEY_LIMIT_BYTES]
    raw = record.value[: max(0, min(RAW_LIMIT_BYTES, room_bytes - len(key or b"") - _FIELDS_BYTES))]
    if len(raw) < len(record.value):
        message = f"{message} (the first {len(raw)} of {len(record.value)} bytes are kept here)"
    value = codec.pack(  # in the order of RejectedEvent.avsc
        rejection.reason.value,
        message,
        "processor",
        None if record.refusal else record.workspace,
        raw,
        record.received_at_ms,
        record.partition,
        record.offset,
    )
    return Output(topic, key, value, None, record.trace)
