"""Every example file has the outcome that it states."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import timestamps
from schemas.identify import Change
from schemas.rejections import Reason, Rejection
from schemas.workspace import STANDARD_MESSAGE
from tests import examples
from tests.examples import Example
from tests.whole import Whole, read

EXAMPLES = examples.load()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_has_its_outcome(example: Example) -> None:
    """What comes of an event is what its file says."""
    assert _outcome(read(example.body, example.received_at_ms)) == example.outcome


def test_every_reason_has_an_example() -> None:
    """No reason is without an event that shows it."""
    assert {example.outcome.get("reason") for example in EXAMPLES} - {None} == set(Reason)


def test_a_type_is_wanted_where_it_is_required() -> None:
    """The examples that pass do so on every path, but for the one without a type."""
    differ = [
        example.name
        for example in EXAMPLES
        if read(example.body, example.received_at_ms) != read(example.body, example.received_at_ms, type_required=True)
    ]
    assert differ == ["type-left-out"]


def _outcome(found: Whole | Rejection) -> dict[str, Any]:
    if isinstance(found, Rejection):
        return {"reason": found.reason}
    described_by = "event" if found.event else "url" if found.url else "standard"
    fields = {
        "email": found.email,
        "day": _instant(timestamps.day(found.timestamp_ms, None) * timestamps.MILLISECONDS_A_DAY)[:10],
        "timestamp": _instant(found.timestamp_ms),
        "description": found.event or found.url or STANDARD_MESSAGE,
        "described_by": described_by,
        "url": found.url,
        "event": found.event,
        "message_id": found.message_id,
        "changes": [_change(change) for change in found.changes] or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _change(change: Change) -> dict[str, Any]:
    told = {"name": change.name, "value": change.value, "kind": change.kind}
    return told if change.membership is None else {**told, "membership": change.membership}


def _instant(timestamp_ms: int) -> str:
    instant = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
