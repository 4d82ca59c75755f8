"""Avro values: both framings, and no other exception than UnreadableValue on any bytes (contract, section 6)."""

import uuid
from datetime import UTC, date, datetime
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import avro
from schemas.avro import INTERACTION, REJECTED, TRAIT, Codec, UnreadableValue

CODECS = [INTERACTION, TRAIT, REJECTED]
INSTANT = datetime(2020, 5, 31, 17, 55, 47, 263000, UTC)
RECORDS: dict[str, dict[str, Any]] = {
    "TimelineInteraction": {
        "interaction_id": uuid.UUID("5f0c8a3e-7f6b-5c0d-9a52-0d3f5a1b2c3d"),
        "workspace": "default",
        "email": "peter@example.com",
        "day": date(2020, 5, 31),
        "timestamp": INSTANT,
        "description": "https://example.com",
        "described_by": "url",
        "url": "https://example.com",
        "event": None,
        "message_id": "m\U0001f44d",
        "received_at": INSTANT,
        "source_partition": 3,
        "source_offset": 2**62,
    },
    "ContactTrait": {
        "workspace": "default",
        "email": "peter@example.com",
        "name": "big_spender",
        "value": True,
        "kind": "audience",
        "membership": True,
        "timestamp": INSTANT,
        "message_id": None,
        "received_at": None,
        "source_partition": 0,
        "source_offset": 0,
    },
    "RejectedEvent": {
        "reason": "malformed_json",
        "message": "The event is not valid JSON in UTF-8",
        "stage": "ingest",
        "workspace": None,
        "raw": bytes(range(256)),
        "received_at": INSTANT,
        "source_partition": None,
        "source_offset": None,
    },
}
VALUES = [codec.encode(RECORDS[codec.name]) for codec in CODECS]
FOREIGN = {"type": "record", "name": "Other", "fields": [{"name": "a", "type": "int"}]}


def by_id(schema_id: int) -> avro.Schema:
    """Look up the schemas of a registry that knows three of ours and a few others."""
    known: list[Any] = [
        *(codec.source for codec in CODECS),
        FOREIGN,
        "string",
        {"type": "array", "items": "int"},
        [],
        {},
    ]
    return known[schema_id % len(known)]  # type: ignore[no-any-return]


def zigzag(number: int) -> bytes:
    """Write a number as Avro does."""
    number, out = (number << 1) ^ (number >> 63), b""
    while number & ~0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_record_is_read_as_it_was_written(codec: Codec) -> None:
    """In both framings; days and instants come back as such."""
    record = RECORDS[codec.name]
    assert avro.decode(codec.encode(record)) == (codec.name, record)
    value = avro.framed(codec, CODECS.index(codec)).encode(record)
    assert avro.decode(value, by_id) == (codec.name, record)


def test_days_and_instants_may_be_numbers() -> None:
    """The processor writes whole days and milliseconds: the very same bytes."""
    numbers = {"day": 18413, "timestamp": 1_590_947_747_263, "received_at": 1_590_947_747_263}
    record = RECORDS["TimelineInteraction"]
    text = str(record["interaction_id"])
    assert INTERACTION.encode({**record, **numbers, "interaction_id": text}) == INTERACTION.encode(record)


@pytest.mark.parametrize("value", [None, False, -(2**63), 2.5, "", "x"])
def test_a_trait_has_a_value_of_each_type(value: object) -> None:
    """Null, boolean, long, double and string stay what they are."""
    _, found = avro.decode(TRAIT.encode({**RECORDS["ContactTrait"], "value": value}))
    assert (found["value"], type(found["value"])) == (value, type(value))


def test_the_framings_are_the_specifications() -> None:
    """C3 01 and the fingerprint, little-endian; 00 and the id, big-endian."""
    assert avro.single_object_header("null") == bytes.fromhex("c3018a8f25cce724dd63")  # type: ignore[arg-type]
    for codec, value in zip(CODECS, VALUES, strict=True):
        assert value.startswith(codec.header)
        assert (codec.header[:2], len(codec.header)) == (b"\xc3\x01", 10)
    assert avro.framed(TRAIT, 0x01020304).header == bytes.fromhex("0001020304")


def test_the_framings_hold_the_same_avro() -> None:
    """Only the header differs."""
    record = RECORDS["RejectedEvent"]
    assert avro.framed(REJECTED, 7).encode(record)[5:] == REJECTED.encode(record)[10:]


@pytest.mark.parametrize(
    "change",
    [
        {"email": None},
        {"email": 5},
        {"email": "\ud83d"},
        {"unknown": 1},
        {"described_by": "nobody"},
        {"source_offset": 2**63},
        {"timestamp": "2020"},
        {"url": 5},
    ],
)
def test_a_record_that_does_not_fit_is_not_written(change: dict[str, object]) -> None:
    """A wrong record is a fault here, not at every reader."""
    with pytest.raises((ValueError, TypeError, OverflowError)):
        INTERACTION.encode({**RECORDS["TimelineInteraction"], **change})


@pytest.mark.parametrize("field", ["email", "day", "source_offset"])
def test_a_field_without_a_default_must_be_there(field: str) -> None:
    """What was forgotten is not made up."""
    record = {name: value for name, value in RECORDS["TimelineInteraction"].items() if name != field}
    with pytest.raises(ValueError, match=field):
        INTERACTION.encode(record)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "neither"),
        (b"{}", "neither"),
        (b"\x00\x00\x00\x00", "neither"),
        (b"\xc3", "neither"),
        (b"\xc3\x01", "fingerprint"),
        (b"\xc3\x01\x00\x00\x00\x00\x00\x00\x00\x00", "0000000000000000"),
        (VALUES[0][:-1], "does not fit its schema TimelineInteraction"),
        (VALUES[0] + b"\x00", "trailing bytes"),
        (b"\x00\x00\x00\x00\x03\x02", "Other"),
        (b"\x00\x00\x00\x00\x04\x02", "not a record"),
        (b"\x00\x00\x00\x00\x05\x02", "not a record"),
        (b"\x00\x00\x00\x00\x06\x02", "not a record"),
        (b"\x00\x00\x00\x00\x07\x02", "not a record"),
    ],
)
def test_an_unreadable_value_says_why(value: bytes, message: str) -> None:
    """Unknown framings, schemas and damage, each in its words."""
    with pytest.raises(UnreadableValue, match=message):
        avro.decode(value, by_id)


def test_a_registrys_id_needs_a_registry() -> None:
    """Without one the setting to make is named."""
    with pytest.raises(UnreadableValue, match="DAYMARK_SCHEMA_REGISTRY"):
        avro.decode(avro.framed(TRAIT, 1).encode(RECORDS["ContactTrait"]))


@pytest.mark.parametrize("length", [-(2**63), -(2**40), -5, -1, 2**31, 2**40, 2**63 - 1])
@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_length_beyond_the_value_takes_no_memory(codec: Codec, length: int) -> None:
    """A damaged length is refused for what is there, not for what it asks."""
    with pytest.raises(UnreadableValue):
        avro.decode(codec.header + zigzag(length) + b"abc")


@given(
    st.binary(max_size=40), st.sampled_from([b"", b"\x00", b"\x00\x00\x00\x00", *(codec.header for codec in CODECS)])
)
def test_any_bytes_are_read_or_unreadable(value: bytes, header: bytes) -> None:
    """`decode` raises nothing else, whatever the framing says."""
    _read_or_unreadable(header + value)


@given(st.sampled_from(VALUES), st.integers(10, 200), st.integers(0, 10), st.binary(max_size=11), st.integers(0, 7))
def test_damaged_values_are_read_or_unreadable(
    value: bytes, start: int, length: int, piece: bytes, schema_id: int
) -> None:
    """`decode` raises nothing else on what was a value once, in either framing, under any schema."""
    damaged = value[:start] + piece + value[start + length :]
    _read_or_unreadable(damaged)
    _read_or_unreadable(b"\x00" + schema_id.to_bytes(4, "big") + damaged[10:])


def test_a_newer_version_is_read_as_ours() -> None:
    """Fields of a later version are skipped, and its new symbols become the default."""
    newer = {**TRAIT.source, "fields": [dict(field) for field in TRAIT.source["fields"]]}
    newer["fields"].append({"name": "later", "type": "int", "default": 0})
    kind = next(field for field in newer["fields"] if field["name"] == "kind")
    kind["type"] = {**kind["type"], "symbols": [*kind["type"]["symbols"], "cohort"]}
    record = RECORDS["ContactTrait"]
    value = Codec(newer, b"\x00\x00\x00\x00\x01").encode({**record, "later": 5, "kind": "cohort"})
    assert avro.decode(value, lambda _id: newer) == ("ContactTrait", {**record, "kind": "trait"})


def test_an_older_version_is_read_as_ours() -> None:
    """What an earlier version lacked has its default."""
    older = {**TRAIT.source, "fields": [field for field in TRAIT.source["fields"] if field["name"] != "received_at"]}
    record = {name: value for name, value in RECORDS["ContactTrait"].items() if name != "received_at"}
    value = Codec(older, b"\x00\x00\x00\x00\x01").encode(record)
    assert avro.decode(value, lambda _id: older) == ("ContactTrait", {**record, "received_at": None})


def test_another_schema_under_our_name_is_unreadable() -> None:
    """An incompatible schema is reported, not guessed at."""
    other = {**FOREIGN, "name": "ContactTrait", "namespace": "daymark"}
    with pytest.raises(UnreadableValue, match="ContactTrait"):
        avro.decode(b"\x00\x00\x00\x00\x01\x02", lambda _id: other)


def _read_or_unreadable(value: bytes) -> None:
    try:
        name, record = avro.decode(value, by_id)
    except UnreadableValue:
        return
    codec = next(codec for codec in CODECS if codec.name == name)
    assert fastavro.validate(record, codec.schema, raise_errors=False)
