"""The quick encoder writes what fastavro writes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import avro
from schemas.encoder import compiled

_LONGS = st.integers(-(2**63), 2**63 - 1)
_BY_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": _LONGS | st.sampled_from([0, -1, 63, 64, -64, -65, 8191, 8192, -8192, -8193, 2**34, 1_714_757_449_553]),
    "double": st.floats(allow_nan=False),
    "string": st.text() | st.text(min_size=60, max_size=70) | st.just("x" * 9000),
    "bytes": st.binary() | st.just(b"x" * 9000),
}


def _values(kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, list):
        return st.one_of(*map(_values, kind))
    if isinstance(kind, dict):
        return st.sampled_from(kind["symbols"]) if kind["type"] == "enum" else _values(kind["type"])
    return _BY_TYPE[kind]


@pytest.mark.parametrize("codec", [avro.INTERACTION, avro.TRAIT, avro.REJECTED], ids=lambda codec: str(codec.name))
@given(data=st.data())
def test_same_bytes_as_fastavro(codec: avro.Codec, data: st.DataObject) -> None:
    """Whatever fits a schema is written alike by both."""
    record = {}
    for field in codec.source["fields"]:
        if field["name"] in {"interaction_id", "day", "timestamp", "received_at"}:
            continue  # logical types: fastavro looks at their values
        record[field["name"]] = data.draw(_values(field["type"]))
    record |= {
        "interaction_id": str(data.draw(st.uuids())),
        "day": data.draw(st.integers(-700_000, 2_900_000)),
        "timestamp": data.draw(_BY_TYPE["long"]),
        "received_at": data.draw(st.none() | _BY_TYPE["long"]),
    }
    whole = {field["name"]: record[field["name"]] for field in codec.source["fields"]}
    assert codec.pack(*whole.values()) == codec.encode(whole)


@pytest.mark.parametrize("kind", ["fixed", "float", {"type": "array", "items": "int"}, ["null", "map"]])
def test_refuses_types_that_it_does_not_know(kind: object) -> None:
    """A schema that grows by such a field is noticed when it loads."""
    with pytest.raises(ValueError, match="no encoder"):
        compiled({"fields": [{"name": "x", "type": kind}]}, b"")


def test_wants_every_value() -> None:
    """A value too few or too many is no record."""
    with pytest.raises(TypeError, match="missing 7 required"):
        avro.REJECTED.pack("reason")
