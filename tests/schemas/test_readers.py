"""The samples of docs/readers.md read what workers write, and its table of headers is right."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import avro.schema
import pytest

from schemas import avro as ours

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "readers.md").read_text()
SAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

FIELDS = {
    "interaction_id": "9b2a57a2-1f0d-5b0f-8a53-0f2f4b8e2a10",
    "workspace": "acme",
    "email": "peter@example.com",
    "day": 20_422,
    "timestamp": 1_764_500_000_000,
    "description": "/pricing",
    "described_by": "url",
    "url": "/pricing",
    "event": None,
    "message_id": "m",
    "received_at": None,
    "source_partition": 3,
    "source_offset": 7,
}


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the names of a sample after it ran in the project's folder."""
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    exec(SAMPLES[request.param], names)
    return names


@pytest.mark.parametrize("sample", [0, 1], ids=["fastavro", "avro"], indirect=True)
def test_a_sample_without_a_registry(sample: dict[str, Any]) -> None:
    """It reads the default framing, and notices a schema that it does not have."""
    _is_the_record(sample["interaction"](ours.INTERACTION.encode(FIELDS)))
    with pytest.raises((KeyError, ValueError)):
        sample["interaction"](b"\xc3\x01" + bytes(8) + ours.INTERACTION.encode(FIELDS)[10:])


@pytest.mark.parametrize("sample", [2], indirect=True)
def test_the_sample_with_a_registry(sample: dict[str, Any]) -> None:
    value = ours.framed(ours.INTERACTION, 258).encode(FIELDS)
    texts = {258: json.dumps(ours.INTERACTION.source)}
    _is_the_record(sample["record"](value, texts.__getitem__))


@pytest.mark.parametrize("codec", [ours.INTERACTION, ours.TRAIT, ours.REJECTED], ids=lambda codec: codec.name)
def test_the_headers_are_those_of_the_page(codec: ours.Codec) -> None:
    """The ten bytes of each topic, by which a reader that computes another fingerprint knows a schema."""
    (row,) = re.findall(rf"`{codec.name}\.avsc` \| `(\w+)`", PAGE)
    assert row == codec.header.hex()


def test_the_library_that_computes_another_fingerprint() -> None:
    """Once it computes the specification's, the page can say so."""
    schema = avro.schema.parse(json.dumps(ours.INTERACTION.source))
    assert schema.fingerprint() != ours.INTERACTION.header[2:]


def _is_the_record(found: dict[str, Any]) -> None:
    assert found["day"] == date(2025, 11, 30)
    found["interaction_id"] = str(found["interaction_id"])
    assert {name: found[name] for name in FIELDS if name not in {"day", "timestamp"}} == {
        name: value for name, value in FIELDS.items() if name not in {"day", "timestamp"}
    }
    assert round(found["timestamp"].timestamp() * 1000) == FIELDS["timestamp"]
