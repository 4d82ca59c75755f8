"""The events of schemas/examples, as values. What must come of each is in the files."""

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

FOLDER = Path(__file__).parents[1] / "schemas" / "examples"


class Example(msgspec.Struct, frozen=True):
    """One event: its bytes, its receipt in epoch milliseconds, and the outcome that its file states."""

    name: str
    body: bytes
    received_at_ms: int
    outcome: dict[str, Any]

    @property
    def is_refused(self) -> bool:
        """Whether the event is refused."""
        return "reason" in self.outcome


class _File(msgspec.Struct, forbid_unknown_fields=True):
    about: str
    source: str
    received_at: datetime
    outcome: dict[str, Any]
    event: Any = msgspec.UNSET
    body: str | None = None
    base64: str | None = None
    padded_to_bytes: int = 0


def load() -> list[Example]:
    """Return all examples, by name."""
    return [_example(path) for path in sorted(FOLDER.glob("*.json"))]


def _example(path: Path) -> Example:
    # json: msgspec does not read lone surrogates.
    file = msgspec.convert(json.loads(path.read_text("utf-8")), _File)
    body = _body(file).ljust(file.padded_to_bytes)
    return Example(path.stem, body, round(file.received_at.timestamp() * 1000), file.outcome)


def _body(file: _File) -> bytes:
    if file.body is not None:
        return file.body.encode()
    if file.base64 is not None:
        return base64.b64decode(file.base64, validate=True)
    return json.dumps(file.event).encode()
