"""What decisions become: the fields of contract, section 6."""

import datetime as dt
import json
import uuid
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from processor import outputs
from processor.decide import Candidate, ContactDay
from processor.records import Output, Record
from processor.traits import Clock, Update, property_of
from schemas import avro
from schemas.identify import Change, Identify, Value
from schemas.interaction import interaction_id
from schemas.rejections import Reason, Rejection
from schemas.topics import Topics
from schemas.workspace import Workspace

TOPICS = Topics("t.")
ACME = Workspace("acme", (), standard_message="Kia ora")
RECORD = Record(3, 42, b"key", b"raw bytes", "acme", 1590947747263, 1590947747999)
CONTACT_DAY = ContactDay("acme", "peter@example.com", 18414)
INSTANT_MS = 1590947747000


def interaction(record: Record = RECORD, message_id: str | None = None, **fields: Any) -> Output:
    record = msgspec.structs.replace(record, value=json.dumps({"type": "identify", **fields}).encode())
    identify = Identify(email=CONTACT_DAY.email, timestamp_ms=INSTANT_MS, message_id=message_id)
    return outputs.interaction(CONTACT_DAY, Candidate(record, identify), ACME, TOPICS.interactions, avro.INTERACTION)


def test_every_output_carries_the_trace_of_its_event() -> None:
    record = replace(RECORD, trace=b"trace")
    identify = Identify(email=CONTACT_DAY.email, timestamp_ms=INSTANT_MS, message_id=None)
    change = Change(name="plan", value=True, kind="trait", membership=None)
    of = property_of("acme", CONTACT_DAY.email, change.name)
    update = Update(of, Clock(INSTANT_MS, b"owner"), change, identify, record)
    written = [interaction(record), rejection(record), outputs.trait(update, TOPICS.traits, avro.TRAIT)]
    assert [each.trace for each in written] == [b"trace"] * 3
    assert rejection(RECORD).trace is None


def rejection(record: Record) -> Output:
    why = Rejection(Reason.MISSING_EMAIL, "Missing email address")
    return outputs.rejected(record, why, TOPICS.rejected, avro.REJECTED)


def test_an_interaction() -> None:
    """Every field, under its id, in the partition of its raw record; the day is the claim's, not the instant's."""
    output = interaction(url="index.html", event="Visited", message_id="m1")
    key = interaction_id(CONTACT_DAY.workspace, CONTACT_DAY.email, CONTACT_DAY.day)
    assert (output.topic, output.key, output.partition) == ("t.timeline.interactions", key.encode(), 3)
    assert avro.decode(output.value) == (
        "TimelineInteraction",
        {
            "interaction_id": uuid.UUID(key),
            "workspace": "acme",
            "email": "peter@example.com",
            "day": dt.date(2020, 6, 1),
            "timestamp": dt.datetime(2020, 5, 31, 17, 55, 47, tzinfo=dt.UTC),
            "description": "Visited",
            "described_by": "event",
            "url": "index.html",
            "event": "Visited",
            "message_id": "m1",
            "received_at": dt.datetime(2020, 5, 31, 17, 55, 47, 263000, tzinfo=dt.UTC),
            "source_partition": 3,
            "source_offset": 42,
        },
    )


@pytest.mark.parametrize(
    ("fields", "description", "described_by"),
    [
        ({"event": "Visited", "url": "u"}, "Visited", "event"),
        ({"url": "u"}, "u", "url"),
        ({"event": "", "url": "u"}, "u", "url"),
        ({}, "Kia ora", "standard"),
        ({"event": "", "url": ""}, "Kia ora", "standard"),
    ],
)
def test_what_describes_an_interaction(fields: dict[str, Any], description: str, described_by: str) -> None:
    """The event, else the url, else the workspace's standard message; and it says which."""
    found = avro.decode(interaction(**fields).value)[1]
    assert (found["description"], found["described_by"]) == (description, described_by)


def test_a_record_that_ingest_did_not_write_has_no_time_of_receipt() -> None:
    """The record's own time, which a copy changes, does not stand in for it."""
    assert avro.decode(interaction(replace(RECORD, received_at_ms=None)).value)[1]["received_at"] is None


@pytest.mark.parametrize("value", [None, True, False, 5, 2**63 - 1, 4.5, "gold"])
def test_a_trait(value: Value) -> None:
    """Every field, under workspace, contact and name, in the partition of its raw record; a value keeps its type."""
    identify = Identify(CONTACT_DAY.email, INSTANT_MS, "m1")
    clock = Clock(INSTANT_MS, b"twelve bytes")
    update = Update(
        property_of("acme", CONTACT_DAY.email, "gröẞe"),
        clock,
        Change("gröẞe", value, "audience", True),
        identify,
        RECORD,
    )
    output = outputs.trait(update, TOPICS.traits, avro.TRAIT)
    assert (output.topic, output.partition) == ("t.contact.traits", 3)
    assert output.key == '["acme","peter@example.com","gröẞe"]'.encode()
    name, found = avro.decode(output.value)
    assert (name, repr(found.pop("value"))) == ("ContactTrait", repr(value))
    assert found == {
        "workspace": "acme",
        "email": "peter@example.com",
        "name": "gröẞe",
        "kind": "audience",
        "membership": True,
        "timestamp": dt.datetime(2020, 5, 31, 17, 55, 47, tzinfo=dt.UTC),
        "message_id": "m1",
        "received_at": dt.datetime(2020, 5, 31, 17, 55, 47, 263000, tzinfo=dt.UTC),
        "source_partition": 3,
        "source_offset": 42,
    }


def test_a_rejection() -> None:
    """Every field, under the raw record's key, which chooses the partition."""
    output = rejection(RECORD)
    assert (output.topic, output.key, output.partition) == ("t.segment.rejected", b"key", None)
    assert avro.decode(output.value) == (
        "RejectedEvent",
        {
            "reason": "missing_email",
            "message": "Missing email address",
            "stage": "processor",
            "workspace": "acme",
            "raw": b"raw bytes",
            "received_at": dt.datetime(2020, 5, 31, 17, 55, 47, 263000, tzinfo=dt.UTC),
            "source_partition": 3,
            "source_offset": 42,
        },
    )


def test_a_rejection_without_a_key() -> None:
    assert rejection(replace(RECORD, key=None)).key is None


@pytest.mark.parametrize(("length", "is_cut"), [(512 * 1024, False), (512 * 1024 + 1, True)])
def test_only_what_is_too_long_is_cut(length: int, is_cut: bool) -> None:  # noqa: FBT001  a parameter of the test
    """Exactly the limit is kept whole; over it the message says what is missing."""
    found = avro.decode(rejection(replace(RECORD, value=b"x" * length)).value)[1]
    assert len(found["raw"]) == 512 * 1024
    assert (found["message"] != "Missing email address") is is_cut
    assert (f"of {length} bytes" in found["message"]) is is_cut
