"""How `daymark tail` shows a record: a line for a person, or a line of JSON. Reads nothing.

Invariant: senders' data can neither move the cursor nor colour the terminal.
"""

import base64
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from confluent_kafka import Message

from schemas import avro

# What the words of a line are, by schema.
COLUMNS: Final = {
    "TimelineInteraction": "interaction:  emitted at  workspace  day  e-mail  description  partition:offset",
    "ContactTrait": "property:  emitted at  workspace  timestamp  e-mail  name = value  partition:offset",
    "RejectedEvent": "rejection:  emitted at  workspace  rejected  reason: message (where)  partition:offset",
}


class Decoded(NamedTuple):
    """A record as it was read, its schema's name, and its fields."""

    message: Message
    schema: str
    fields: dict[str, Any]


class Wanted(NamedTuple):
    """Which records are shown; None: any. An e-mail is normalised."""

    workspace: str | None = None
    email: str | None = None
    reason: str | None = None

    def fits(self, record: Decoded) -> bool:
        """Whether a record is one of them. One that cannot be read is shown only where nothing is asked for."""
        fields = record.fields
        return (
            self.workspace in {None, fields.get("workspace")}
            and self.reason in {None, fields.get("reason")}
            and (self.email is None or self.email == fields.get("email", _contact(record.message)))
        )


def decode(message: Message, by_id: Callable[[int], avro.Schema] | None = None) -> Decoded:
    """Return a record decoded; one that cannot be read has no schema, and says why in its only field.

    Args:
        message: the record.
        by_id: looks up a registry's schema.
    """
    try:
        return Decoded(message, *avro.decode(message.value() or b"", by_id))
    except avro.UnreadableValue as error:
        return Decoded(message, "", {"unreadable": str(error)})


def as_text(decoded: Decoded) -> str:
    """Return a record for a person: when it was emitted, whose it is, what it says, partition and offset."""
    message, schema, record = decoded
    match schema:
        case "TimelineInteraction":
            parts = [record["day"], record["email"], record["description"]]
        case "ContactTrait":
            moved = {True: "entered", False: "left", None: ""}[record["membership"]]
            parts = [record["timestamp"], record["email"], f"{record['name']} = {record['value']} {moved}".rstrip()]
        case "RejectedEvent":
            parts = ["rejected", f"{record['reason']}: {record['message']} (in {record['stage']})"]
        case _:
            parts = [f"{name}: {value}" for name, value in record.items()]
    place = f"{message.partition()}:{message.offset()}"
    words = [_emitted_at(message), record.get("workspace") or "-", *parts, place]
    return "  ".join(printable(str(_plain(word))) for word in words)


def as_json(decoded: Decoded) -> str:
    """Return a record for a program: where it is, when it was emitted, its schema, and all its fields."""
    message, schema, record = decoded
    where = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
    fields = dict(_json_field(name, value) for name, value in record.items())
    return json.dumps({**where, "emitted_at": _emitted_at(message), "schema": schema, "record": fields})


def _contact(message: Message) -> str | None:
    """Return the contact that a rejection's key names: the e-mail, normalised, where there was one."""
    key = message.key()
    return key.decode(errors="replace") if isinstance(key, bytes) else key


def _json_field(name: str, value: Any) -> tuple[str, Any]:
    """Return a field as JSON has it. Bytes are text, or, where they are not UTF-8, base64 under a name that says so."""
    if not isinstance(value, bytes):
        return name, _plain(value)
    try:
        return name, value.decode()
    except UnicodeDecodeError:
        return f"{name}_base64", base64.b64encode(value).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, date | UUID) else value


def _emitted_at(message: Message) -> str:
    return str(_plain(datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)))


def printable(text: str) -> str:
    """Return a sender's text as one that can neither move the cursor nor colour the terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
