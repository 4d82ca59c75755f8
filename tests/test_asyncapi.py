"""The description of the topics is valid, complete, and of what the code writes; test_docs.py compares the file."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from schemas import avro, headers
from schemas.topics import Topics
from tests import asyncapi

DOCUMENT: dict[str, Any] = json.loads(asyncapi.drawn())
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_it_is_asyncapi() -> None:
    """By the schema that the AsyncAPI project publishes (@asyncapi/specs 6.11.1, Apache-2.0)."""
    schema = json.loads(gzip.decompress((Path(__file__).parent / "schemas" / "asyncapi-3.0.0.json.gz").read_bytes()))
    Draft7Validator(schema).validate(DOCUMENT)


def test_every_reference_leads_somewhere() -> None:
    for path in re.findall(r'"\$ref": "#/([^"]+)"', asyncapi.drawn()):
        found: Any = DOCUMENT
        for name in path.split("/"):
            found = found[name]


def test_the_channels_are_the_topics() -> None:
    channels = {
        channel["address"]: channel["bindings"]["kafka"]["partitions"] for channel in DOCUMENT["channels"].values()
    }
    assert channels == {topic.name: topic.partitions for topic in Topics().all(lane=True)}


@pytest.mark.parametrize(
    ("message", "codec"),
    [("interaction", avro.INTERACTION), ("property", avro.TRAIT), ("rejection", avro.REJECTED)],
    ids=["interaction", "property", "rejection"],
)
def test_a_payload_is_the_schema_that_is_written(message: str, codec: avro.Codec) -> None:
    payload = DOCUMENT["components"]["messages"][message]["payload"]
    assert avro.single_object_header(payload["schema"]) == codec.header


def test_an_events_headers_are_those_that_ingest_writes() -> None:
    described = DOCUMENT["components"]["messages"]["event"]["headers"]
    pairs: Any = headers.pack("acme", 1_590_947_747_263, TRACE)
    written = {name: bytes(text or b"").decode() for name, text in pairs}
    assert written.keys() == described["properties"].keys() - {"resent"}
    Draft7Validator(described).validate(written)
