"""Avro: schemas, codecs and the two framings of values (contract, section 6).

Without a registry a value is Avro's single-object encoding (C3 01, then the schema's CRC-64-AVRO fingerprint); with
one, Confluent's wire format (00, then the schema's id). A reader accepts both, and reads every version of a schema
as the current one.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import resources
from io import BytesIO
from typing import Any, Final, cast

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException, fingerprint, to_parsing_canonical_form

from schemas.encoder import compiled

_SINGLE_OBJECT = b"\xc3\x01"
_CONFLUENT = b"\x00"
_SINGLE_OBJECT_BYTES, _CONFLUENT_BYTES = 10, 5
_NOT_PLAIN = {"logicalType", "__fastavro_parsed__", "__named_schemas"}

Schema = dict[str, Any]


class UnreadableValue(ValueError):
    """A value that is not Avro of a known schema in a known framing."""


class Codec:
    """Writes records of one schema, in one framing: `encode` any, `pack` quickly the values of one that must fit."""

    def __init__(self, schema: Schema, header: bytes | None = None) -> None:
        self.source = schema
        self.schema = _parsed(schema)
        self.name: str = schema["name"]
        self.header = single_object_header(schema) if header is None else header
        self.pack = compiled(schema, self.header)

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """Return the framed value of a record.

        Dates and instants may be given as whole numbers of days and milliseconds, which is faster than objects.

        Raises:
            ValueError, TypeError, OverflowError: a field is missing, of another type or too large for its type.
        """
        out = BytesIO()
        out.write(self.header)
        fastavro.schemaless_writer(out, self.schema, record, strict_allow_default=True)
        return out.getvalue()


def single_object_header(schema: Schema) -> bytes:
    """Return the ten bytes before a value in Avro's single-object encoding."""
    # fastavro gives this fingerprint in little-endian hex already, the order in which the encoding wants it.
    return _SINGLE_OBJECT + bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def framed(codec: Codec, schema_id: int) -> Codec:
    """Return a codec of the same schema that writes Confluent's wire format with a registry's id."""
    return Codec(codec.source, _CONFLUENT + schema_id.to_bytes(4, "big"))


def decode(value: bytes, by_id: Callable[[int], Schema] | None = None) -> tuple[str, dict[str, Any]]:
    """Return the name of a value's schema, without its namespace, and the record.

    Args:
        value: a framed value, in either framing.
        by_id: looks up a registry's schema by its id; without it Confluent's framing is unreadable.

    Raises:
        UnreadableValue: the framing, the schema or the value is unknown or damaged.
    """
    writer, skip = _writer(value, by_id)
    codec = _CODECS.get(writer["name"])
    if codec is None:
        raise UnreadableValue(f"a value of {writer['name']}, which is not one of Daymark's")
    stream = BytesIO(value[skip:])
    try:
        record = fastavro.schemaless_reader(stream, writer, None if writer is codec.schema else codec.schema)
    except (EOFError, ValueError, IndexError, TypeError, OverflowError, SchemaResolutionError) as error:
        raise UnreadableValue(f"the value does not fit its schema {codec.name}: {error}") from None
    if stream.read(1):
        raise UnreadableValue(f"trailing bytes after a {codec.name}")
    return codec.name, cast("dict[str, Any]", record)


class Plain:
    """Reads many values quickly: instants, days and ids as the numbers and the text that Avro writes."""

    def __init__(self, by_id: Callable[[int], Schema] | None = None) -> None:
        """Prepare; without a registry's schemas by their ids, Confluent's framing is unreadable."""
        self._by_id = by_id
        self._schemas: dict[tuple[bytes, str], tuple[Schema, Schema | None]] = {}

    def read(self, value: bytes, name: str) -> dict[str, Any]:
        """Return the record of a framed value.

        Raises:
            UnreadableValue: it is not of the schema of this name, or damaged.
        """
        skip = _SINGLE_OBJECT_BYTES if value[:2] == _SINGLE_OBJECT else _CONFLUENT_BYTES
        known = self._schemas.get((value[:skip], name))
        if known is None:
            known = self._schemas[value[:skip], name] = self._found(value, name)
        stream = BytesIO(value)
        stream.seek(skip)
        try:
            record = fastavro.schemaless_reader(stream, *known)
        except (EOFError, ValueError, IndexError, TypeError, OverflowError, SchemaResolutionError) as error:
            raise UnreadableValue(f"the value does not fit its schema {name}: {error}") from None
        if stream.tell() != len(value):
            raise UnreadableValue(f"trailing bytes after a {name}")
        return record  # type: ignore[return-value]  # of a record's schema

    def _found(self, value: bytes, name: str) -> tuple[Schema, Schema | None]:
        writer, _ = _writer(value, self._by_id)
        codec = _CODECS_BY_NAME[name]
        if writer["name"] != codec.schema["name"]:
            raise UnreadableValue(f"expected a {name}, found a {writer['name']}")
        plain = _parsed(_without_logical_types(writer))
        return plain, None if writer is codec.schema else _parsed(_without_logical_types(codec.schema))


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        kept = {name: _without_logical_types(of) for name, of in schema.items() if name not in _NOT_PLAIN}
        return kept["type"] if set(kept) == {"type"} else kept
    return [_without_logical_types(each) for each in schema] if isinstance(schema, list) else schema


def load(text: str) -> Schema:
    """Return a schema from the text of an .avsc file."""
    schema: Schema = json.loads(text)
    return schema


def _writer(value: bytes, by_id: Callable[[int], Schema] | None) -> tuple[Schema, int]:
    if value[:2] == _SINGLE_OBJECT:
        schema = _BY_HEADER.get(value[:_SINGLE_OBJECT_BYTES])
        if schema is None:
            raise UnreadableValue(f"no known schema has the fingerprint {value[2:_SINGLE_OBJECT_BYTES].hex()}")
        return schema, _SINGLE_OBJECT_BYTES
    if value[:1] == _CONFLUENT and len(value) >= _CONFLUENT_BYTES:
        if by_id is None:
            raise UnreadableValue("the value names a schema registry's id: set DAYMARK_SCHEMA_REGISTRY")
        return _registered(by_id(int.from_bytes(value[1:_CONFLUENT_BYTES], "big"))), _CONFLUENT_BYTES
    raise UnreadableValue("neither Avro's single-object encoding nor Confluent's wire format")


def _registered(schema: Schema) -> Schema:
    parsed: Any = None
    with suppress(SchemaParseException, ValueError, KeyError, TypeError):
        parsed = _parsed(schema)
    if not isinstance(parsed, dict) or "name" not in parsed:
        raise UnreadableValue("the registry's schema is not a record")
    return cast("Schema", parsed)


def _of(name: str) -> Codec:
    return Codec(load(resources.files("schemas").joinpath(f"{name}.avsc").read_text("utf-8")))


def _parsed(schema: Schema) -> Schema:
    return cast("Schema", fastavro.parse_schema(schema))


def _released() -> dict[bytes, Schema]:
    """Return every schema ever released, by its header: a value outlives the version that wrote it."""
    folder = resources.files("schemas").joinpath("released")
    schemas = [load(file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".avsc")]
    return {single_object_header(schema): _parsed(schema) for schema in schemas}


INTERACTION: Final = _of("TimelineInteraction")
TRAIT: Final = _of("ContactTrait")
REJECTED: Final = _of("RejectedEvent")

_CODECS_BY_NAME = {codec.name: codec for codec in (INTERACTION, TRAIT, REJECTED)}
_CODECS = {codec.schema["name"]: codec for codec in (INTERACTION, TRAIT, REJECTED)}
_BY_HEADER = _released() | {codec.header: codec.schema for codec in _CODECS.values()}
