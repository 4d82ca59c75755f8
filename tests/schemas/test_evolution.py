"""Schema files follow the contract (section 6), and every version ever released can be read, and can read ours."""

import itertools
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas import avro
from schemas.rejections import Reason

FOLDER = Path(avro.__file__).parent
NAMES = ["TimelineInteraction", "ContactTrait", "RejectedEvent"]
RELEASED = sorted((FOLDER / "released").glob("*.avsc"))

INSTANT = "timestamp-millis"
FIELDS = {
    "TimelineInteraction": {
        "interaction_id": "uuid",
        "workspace": "string",
        "email": "string",
        "day": "date",
        "timestamp": INSTANT,
        "description": "string",
        "described_by": "event|url|standard",
        "url": ["null", "string"],
        "event": ["null", "string"],
        "message_id": ["null", "string"],
        "received_at": ["null", INSTANT],
        "source_partition": "int",
        "source_offset": "long",
    },
    "ContactTrait": {
        "workspace": "string",
        "email": "string",
        "name": "string",
        "value": ["null", "boolean", "long", "double", "string"],
        "kind": "audience|trait|journey",
        "membership": ["null", "boolean"],
        "timestamp": INSTANT,
        "message_id": ["null", "string"],
        "received_at": ["null", INSTANT],
        "source_partition": "int",
        "source_offset": "long",
    },
    "RejectedEvent": {
        "reason": "string",
        "message": "string",
        "stage": "ingest|processor",
        "workspace": ["null", "string"],
        "raw": "bytes",
        "received_at": ["null", INSTANT],
        "source_partition": ["null", "int"],
        "source_offset": ["null", "long"],
    },
}


def current(name: str) -> avro.Schema:
    """Return the schema of today."""
    return avro.load((FOLDER / f"{name}.avsc").read_text("utf-8"))


def versions(name: str) -> list[avro.Schema]:
    """Return all released versions of a schema, the oldest first, numbered without a gap."""
    files = [path for path in RELEASED if path.stem.rpartition("-")[0] == name]
    numbered = {int(path.stem.rpartition("-")[2]): path for path in files}
    assert sorted(numbered) == list(range(1, len(files) + 1))
    return [avro.load(numbered[number].read_text("utf-8")) for number in sorted(numbered)]


def records(schema: avro.Schema) -> list[dict[str, Any]]:
    """Return records that between them take every branch of every field of a schema."""
    per_field = {field["name"]: _samples(field["type"]) for field in schema["fields"]}
    longest = max(map(len, per_field.values()))
    cycles = {name: itertools.cycle(samples) for name, samples in per_field.items()}
    return [{name: next(cycle) for name, cycle in cycles.items()} for _ in range(longest)]


@pytest.mark.parametrize("name", NAMES)
def test_the_fields_are_the_contracts(name: str) -> None:
    """The contract's fields, in its order; more may follow, each with a default."""
    fields = current(name)["fields"]
    first, more = fields[: len(FIELDS[name])], fields[len(FIELDS[name]) :]
    assert {field["name"]: _kind(field["type"]) for field in first} == FIELDS[name]
    assert [field["name"] for field in first] == list(FIELDS[name])
    assert all("default" in field for field in more)


@pytest.mark.parametrize("name", NAMES)
def test_every_record_and_field_is_explained(name: str) -> None:
    """A `doc` on each; names in snake_case, and one namespace."""
    schema = current(name)
    assert (schema["type"], schema["name"], schema["namespace"]) == ("record", name, "daymark")
    for described in (schema, *schema["fields"]):
        assert described["doc"].endswith(".")
        assert described is schema or described["name"] == described["name"].lower()


@pytest.mark.parametrize("name", NAMES)
def test_what_may_be_null_has_null_as_its_default(name: str) -> None:
    """Else a reader of a newer version could not read an older value. A trait's value is never left out."""
    nullable = [
        field for field in current(name)["fields"] if isinstance(field["type"], list) and field["name"] != "value"
    ]
    assert all(field.get("default", 0) is None for field in nullable)


@pytest.mark.parametrize("name", NAMES)
def test_enums_have_a_default(name: str) -> None:
    """A symbol of tomorrow can be read today."""
    enums = [field["type"] for field in current(name)["fields"] if isinstance(field["type"], dict)]
    assert all(enum["default"] in enum["symbols"] for enum in enums if enum["type"] == "enum")


def test_the_reasons_are_told_in_the_schema() -> None:
    """The closed list of reasons is written out where readers look."""
    [doc] = [field["doc"] for field in current("RejectedEvent")["fields"] if field["name"] == "reason"]
    assert [word.strip(" .") for word in doc.partition(":")[2].split(",")] == list(Reason)


@pytest.mark.parametrize("name", NAMES)
def test_the_newest_release_is_the_current_schema(name: str) -> None:
    """Whoever changes a schema adds a released version; released files never change again."""
    assert versions(name)[-1] == current(name)


def test_every_released_file_is_of_a_known_schema() -> None:
    """The tests below cover every file."""
    assert RELEASED
    assert {path.stem.rpartition("-")[0] for path in RELEASED} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_two_versions_read_each_other(name: str) -> None:
    """Full transitive compatibility, whichever of reader and writer is updated first."""
    for writer, reader in itertools.product([*versions(name), current(name)], repeat=2):
        for record in records(writer):
            value = BytesIO()
            fastavro.schemaless_writer(value, writer, record)
            found = fastavro.schemaless_reader(BytesIO(value.getvalue()), writer, reader)
            assert isinstance(found, dict)
            assert list(found) == [field["name"] for field in reader["fields"]]


@pytest.mark.parametrize("name", NAMES)
def test_every_released_value_is_decoded(name: str) -> None:
    """A value outlives the version that wrote it: decode knows every fingerprint, and gives today's fields."""
    for writer in versions(name):
        for record in records(writer):
            found, decoded = avro.decode(avro.Codec(writer).encode(record))
            assert (found, list(decoded)) == (name, [field["name"] for field in current(name)["fields"]])


def _kind(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_kind(branch) for branch in schema]
    if isinstance(schema, dict):
        return schema.get("logicalType") or "|".join(schema["symbols"])
    return schema


def _samples(schema: Any) -> list[Any]:
    if isinstance(schema, list):
        return [sample for branch in schema for sample in _samples(branch)]
    if isinstance(schema, dict):
        return list(schema["symbols"]) if schema["type"] == "enum" else _LOGICAL[schema["logicalType"]]
    return _PLAIN[schema]


_LOGICAL: dict[str, list[Any]] = {
    "uuid": ["5f0c8a3e-7f6b-5c0d-9a52-0d3f5a1b2c3d"],
    "date": [0, 18413],
    INSTANT: [0, 1_590_947_747_263],
}
_PLAIN: dict[str, list[Any]] = {
    "null": [None],
    "boolean": [False, True],
    "int": [0, 2**31 - 1],
    "long": [-(2**63), 2**63 - 1],
    "double": [0.5],
    "string": ["", "\U0001f44d"],
    "bytes": [b"", b"\xff"],
}
