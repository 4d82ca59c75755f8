"""Decisions -> records to write. Pure."""

from typing import NamedTuple

from processor.decide import Candidate, ContactDay
from processor.records import Output, Record
from processor.traits import Update
from schemas.avro import Codec
from schemas.interaction import interaction_id
from schemas.reasons import Rejection

# A raw record longer than this (ingest publishes none over 32 KiB) would not fit a record of its rejection.
RAW_LIMIT_BYTES = 512 * 1024


class Codecs(NamedTuple):
    """How values are written: with or without a schema registry's ids."""

    interaction: Codec
    trait: Codec
    rejected: Codec


def interaction(
    contact_day: ContactDay, candidate: Candidate, standard_message: str, topic: str, codec: Codec
) -> Output:
    """Return the interaction that an event becomes, for the same partition as its raw record."""
    record, identify = candidate.record, candidate.identify
    key = interaction_id(contact_day.workspace, contact_day.email, contact_day.day)
    description = identify.event or identify.url or standard_message
    value = codec.pack(  # in the order of TimelineInteraction.avsc
        key,
        contact_day.workspace,
        identify.email,
        contact_day.day,
        identify.timestamp_ms,
        description,
        "event" if identify.event else "url" if identify.url else "standard",
        identify.url,
        identify.event,
        identify.message_id,
        record.received_at_ms,
        record.partition,
        record.offset,
    )
    return Output(topic, key.encode(), value, record.partition)


def trait(update: Update, topic: str, codec: Codec) -> Output:
    """Return the record of a property's change, for the same partition as its raw record."""
    of, change, identify, record = update.of, update.change, update.identify, update.record
    value = codec.pack(  # in the order of ContactTrait.avsc
        of.workspace,
        of.email,
        of.name,
        change.value,
        change.kind,
        change.membership,
        identify.timestamp_ms,
        identify.message_id,
        record.received_at_ms,
        record.partition,
        record.offset,
    )
    return Output(topic, of.key(), value, record.partition)


def rejected(record: Record, rejection: Rejection, topic: str, codec: Codec) -> Output:
    """Return the record of a rejection, under the raw record's key."""
    message = rejection.message
    if len(record.value) > RAW_LIMIT_BYTES:
        message = f"{message} (the first {RAW_LIMIT_BYTES} of {len(record.value)} bytes are kept here)"
    value = codec.encode(
        {
            "reason": str(rejection.reason),
            "message": message,
            "stage": "processor",
            "workspace": record.workspace,
            "raw": record.value[:RAW_LIMIT_BYTES],
            "received_at": record.received_at_ms,
            "source_partition": record.partition,
            "source_offset": record.offset,
        }
    )
    return Output(topic, record.key, value, None)
