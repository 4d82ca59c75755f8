"""The AsyncAPI 3.0 description of the topics, generated from `schemas/`: `make docs` writes docs/asyncapi.json."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from ingest.openapi import document
from schemas import headers
from schemas.forgotten import HEADER_FORGOTTEN
from schemas.topics import Topic, Topics

_ROOT: Final = Path(__file__).parent.parent
FILE: Final = _ROOT / "docs" / "asyncapi.json"
TOPICS: Final = Topics()

_BINDING: Final = {"bindingVersion": "0.5.0"}
_AVRO: Final = "application/vnd.apache.avro+json;version=1.9.0"
_DIGITS: Final = {"type": "string", "pattern": "^[0-9]{1,15}$"}
_PLACE: Final = {"type": "string", "pattern": "^[0-9]+:[0-9]+$"}
_TRACE: Final = {
    "type": "string",
    "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    "description": "W3C Trace Context of the request, where it had a valid one",
}
_FRAMING: Final = (
    "Avro in the Confluent wire format where a schema registry is configured, else in single-object encoding (C3 01 "
    "and the CRC-64-AVRO fingerprint)."
)


def described() -> dict[str, Any]:
    """Return the description as JSON values."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Daymark topics",
            "version": version("daymark"),
            "description": "What Daymark reads and writes in Kafka. Set isolation.level=read_committed. Names are "
            "those without DAYMARK_TOPIC_PREFIX. docs/contract.md is the specification; see also docs/readers.md.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "channels": {topic.name: _channel(topic) for topic in TOPICS.all(lane=True)},
        "operations": {
            f"{action} {name}": {"action": action, "channel": _ref("channels", name), "summary": summary}
            for action, name, summary in (
                ("send", TOPICS.events, "Ingest writes each accepted event before it answers 200."),
                ("receive", TOPICS.events, "The processor reads events as a consumer group."),
                ("send", TOPICS.backfill, "`daymark backfill --lane` writes history, which waits for live events."),
                ("receive", TOPICS.backfill, "The processor reads it where the lane is on; live events go first."),
                ("send", TOPICS.interactions, "The processor writes one interaction per contact and day."),
                ("send", TOPICS.traits, "The processor writes each change of a property that is its newest."),
                ("send", TOPICS.rejected, "Ingest and the processor write what they reject."),
            )
        },
        "components": {
            "messages": {name: message for some in _messages().values() for name, message in some.items()},
            "schemas": {"Event": document()["components"]["schemas"]["Event"]},
        },
    }


def drawn() -> str:
    """Return the file's text."""
    return json.dumps(described(), indent=2, ensure_ascii=False) + "\n"


def _channel(topic: Topic) -> dict[str, Any]:
    settings: dict[str, Any] = dict(topic.settings)
    settings["cleanup.policy"] = settings["cleanup.policy"].split(",")
    if "retention.ms" in settings:
        settings["retention.ms"] = int(settings["retention.ms"])
    kafka = {"topic": topic.name, "partitions": topic.partitions, "topicConfiguration": settings, **_BINDING}
    return {
        "address": topic.name,
        "messages": {name: _ref("components", "messages", name) for name in _messages()[topic.name]},
        "bindings": {"kafka": kafka},
    }


def _messages() -> dict[str, dict[str, Any]]:
    """Return the messages of each topic, by name."""
    email = {"type": "string", "description": "the contact's e-mail, normalised"}
    identity = {"type": "string", "format": "uuid", "description": "interaction_id"}
    of = {"type": "string", "description": "a JSON list: workspace, e-mail, property name"}
    raw_key = {"type": "string", "description": "that of the raw record, where it has one"}
    received = {
        headers.WORKSPACE: {"type": "string", "description": "whose event it is; without one it is default"},
        headers.RECEIVED_AT: _DIGITS | {"description": "when ingest received it, epoch milliseconds"},
        headers.TRACEPARENT: _TRACE,
        "resent": _PLACE | {"description": "of what `daymark rejected resend` sent: where its dead letter lies"},
    }
    trace = {headers.TRACEPARENT: _TRACE}
    resent = {"resent": _DIGITS | {"description": "an earlier offset of the partition: that dead letter was resent"}}
    forgotten = {HEADER_FORGOTTEN: {"type": "string", "description": "what was erased (contract, section 6)"}}
    event = {
        "name": "event",
        "title": "A raw event",
        "summary": "The event's JSON bytes exactly as received, without its writeKey.",
        "contentType": "application/json",
        "headers": _object(received),
        "payload": _ref("components", "schemas", "Event"),
        "bindings": {"kafka": {"key": email, **_BINDING}},
    }
    return {
        TOPICS.events: {"event": event},
        TOPICS.backfill: {"event": event},
        TOPICS.interactions: {
            "interaction": _avro("interaction", "TimelineInteraction", identity, trace),
            "interactionErased": _tombstone("interactionErased", "`daymark forget` erased it.", identity),
        },
        TOPICS.traits: {
            "property": _avro("property", "ContactTrait", of, trace),
            "propertyErased": _tombstone("propertyErased", "`daymark forget` erased it.", of),
        },
        TOPICS.rejected: {
            "rejection": _avro("rejection", "RejectedEvent", raw_key, trace),
            "resentMark": _tombstone("resentMark", "A dead letter was resent.", None, resent),
            "forgottenMark": _tombstone("forgottenMark", "A contact's record was erased.", None, forgotten),
        },
    }


def _avro(name: str, schema: str, key: dict[str, Any], headers_of: dict[str, Any]) -> dict[str, Any]:
    declared = json.loads((_ROOT / "schemas" / f"{schema}.avsc").read_text("utf-8"))
    return {
        "name": name,
        "title": schema,
        "summary": declared["doc"],
        "description": _FRAMING,
        "contentType": "application/vnd.apache.avro",
        "headers": _object(headers_of),
        "payload": {"schemaFormat": _AVRO, "schema": declared},
        "bindings": {"kafka": {"key": key, **_BINDING}},
    }


def _tombstone(
    name: str, summary: str, key: dict[str, Any] | None, required: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a message without a value."""
    kafka = _BINDING if key is None else {"key": key, **_BINDING}
    said = {} if required is None else {"headers": _object(required) | {"required": [*required]}}
    return {"name": name, "summary": summary, **said, "payload": {"type": "null"}, "bindings": {"kafka": kafka}}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}
