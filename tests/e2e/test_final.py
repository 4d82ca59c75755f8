"""The comparison with the truth finds what is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas import avro
from tests.e2e import final
from tests.e2e.final import Held
from tests.flows import Committed

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def record(offset: int, value: Any, hour: int, name: str = "vip", source: int | None = None) -> Committed:
    """Return what the processor writes: a property's value as of an hour after noon."""
    fields = {
        "workspace": "w",
        "email": "zoë@example.org",
        "name": name,
        "value": value,
        "kind": "audience",
        "membership": value if isinstance(value, bool) else None,
        "timestamp": NOON + timedelta(hours=hour),
        "message_id": None,
        "received_at": None,
        "source_partition": 3,
        "source_offset": offset if source is None else source,
    }
    key = f'["w","zoë@example.org","{name}"]'.encode()
    return Committed(3, offset, key, avro.TRAIT.encode(fields))


def test_the_last_record_of_a_key_holds() -> None:
    records = final.emitted([record(5, True, 1), record(7, False, 2), record(6, 1.0, 1, name="orders")])
    assert final.compacted(records) == {
        ("w", "zoë@example.org", "vip"): Held("bool", False, False),
        ("w", "zoë@example.org", "orders"): Held("float", 1.0, None),
    }
    assert final.set_back(records) == []
    assert final.doubled(records) == []


def test_a_difference_shows(tmp_path: Path) -> None:
    """A property too many, one too few, a value of another type; 1 is not 1.0."""
    file = tmp_path / "truth.ndjson"
    line = '{"workspace":"w","email":"zoë@example.org","name":"%s","value":1,"membership":null}'
    file.write_text(f"{line % 'orders'}\n{line % 'gone'}\n", "utf-8")
    found = final.compacted(final.emitted([record(1, 1.0, 1, name="orders"), record(2, True, 1)]))
    assert {of[2]: pair for of, pair in final.differences(found, final.read_truth(file)).items()} == {
        "orders": (Held("float", 1.0, None), Held("int", 1, None)),
        "gone": (None, Held("int", 1, None)),
        "vip": (Held("bool", True, True), None),
    }


def test_going_back_and_doubling_show() -> None:
    """In the order of the topic, whatever the order in which it was read."""
    records = final.emitted([record(9, True, 1, source=8), record(8, False, 2)])
    assert final.set_back(records) == [("w", "zoë@example.org", "vip")]
    assert final.doubled(records) == [(3, 8)]


def test_a_key_that_says_something_else_is_refused() -> None:
    with pytest.raises(AssertionError):
        final.emitted([record(1, True, 1)._replace(key=b'["w","zoe@example.org","vip"]')])
