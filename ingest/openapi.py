"""The OpenAPI 3.1 description of the API, generated from the tables that the API itself uses."""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from ingest import answers
from ingest.http import response
from ingest.http.response import Refusal, Response
from ingest.routes import ROUTES, Call
from schemas.segment import EVENT_LIMIT_BYTES

_EVENT_EXAMPLE: Final = {
    "type": "identify",
    "timestamp": "2020-05-31T17:55:47.263Z",
    "traits": {"email": "peter@example.com"},
    "context": {"page": {"url": "https://example.com/pricing"}},
}

_EVENTS: Final = {"$ref": "#/components/schemas/Events"}

_SCHEMAS: Final[dict[str, Any]] = {
    "Event": {
        "type": "object",
        "description": (
            f"An identify call, at most {EVENT_LIMIT_BYTES} bytes. An e-mail and a timestamp are required; "
            "keys are matched in any letter case, and the e-mail may also be at context.traits.email or email."
        ),
        "properties": {
            "type": {"type": "string", "description": "identify; optional except in a batch"},
            "timestamp": {"type": ["string", "number", "null"], "description": "ISO 8601, or a Unix time"},
            "originalTimestamp": {
                "type": ["string", "number", "null"],
                "description": "used if timestamp is absent or null, as sent by SDKs",
            },
            "traits": {"type": "object", "properties": {"email": {"type": "string"}}},
            "context": {
                "type": "object",
                "properties": {"page": {"type": "object", "properties": {"url": {"type": "string"}}}},
            },
            "event": {"type": "string", "description": "describes the interaction instead of the URL"},
            "writeKey": {"type": "string", "description": "the API key, if no header has it; never stored"},
        },
        "examples": [_EVENT_EXAMPLE],
    },
    "Batch": {
        "type": "object",
        "required": ["batch"],
        "properties": {
            "batch": _EVENTS,
            "context": {"type": "object", "description": "defaults for each event's context"},
            "integrations": {"type": "object", "description": "defaults for each event's integrations"},
            "writeKey": {"type": "string", "description": "the API key, if no header has it; never stored"},
            "sentAt": {"type": "string"},
        },
        "examples": [{"batch": [_EVENT_EXAMPLE]}],
    },
    "Accepted": {
        "type": "object",
        "required": ["success"],
        "properties": {"success": {"const": True}},
        "examples": [{"success": True}],
    },
    "BatchAccepted": {
        "type": "object",
        "description": "Sent if at least one event was accepted, or there were none.",
        "required": ["success", "accepted", "rejected"],
        "properties": {
            "success": {"const": True},
            "accepted": {"type": "integer"},
            "rejected": {"$ref": "#/components/schemas/Rejected"},
        },
        "examples": [
            {
                "success": True,
                "accepted": 1,
                "rejected": [{"index": 1, "code": "missing_email", "message": "Missing email address"}],
            }
        ],
    },
    "Rejected": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["index", "code", "message"],
            "properties": {
                "index": {"type": "integer", "description": "the event's place in the batch, from 0"},
                "code": {"enum": [refusal.code for refusal in answers.REASONS.values()]},
                "message": {"type": "string"},
            },
        },
    },
    "Refusal": {
        "type": "object",
        "required": ["success", "code", "message"],
        "properties": {
            "success": {"const": False},
            "code": {"enum": [refusal.code for refusal in answers.TABLE]},
            "message": {"type": "string"},
            "accepted": {"const": 0, "description": "in a batch of which no event was accepted"},
            "rejected": {"$ref": "#/components/schemas/Rejected"},
        },
        "examples": [{"success": False, "code": "missing_email", "message": "Missing email address"}],
    },
}

_WORDS: Final = {
    400: "Malformed or not acceptable; a retry will not help",
    401: "Missing or unknown API key, or a workspace's requests must be signed and this one is not",
    404: "No such path",
    405: "Method not allowed for this path",
    413: "Larger than the limits",
    415: "A content encoding other than gzip",
    429: "Over the workspace's rate limit; retry after Retry-After seconds",
    501: "Not an identify call",
    503: "Not stored; retry after Retry-After seconds",
}

_RETRY_AFTER: Final = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
_HEADERS: Final[dict[int, Any]] = {
    401: {"WWW-Authenticate": {"description": "Basic, with the key as the user", "schema": {"type": "string"}}},
    415: {"Accept-Encoding": {"description": "gzip", "schema": {"type": "string"}}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}

_BODIES: Final[dict[Call, Any]] = {
    Call.IDENTIFY: {
        "oneOf": [
            {"$ref": "#/components/schemas/Event"},
            _EVENTS,
        ]
    },
    Call.BATCH: {"$ref": "#/components/schemas/Batch"},
    Call.OTHER: {"type": "object"},
}

_SUCCESSES: Final[dict[Call, Any]] = {
    Call.IDENTIFY: {
        "anyOf": [{"$ref": "#/components/schemas/Accepted"}, {"$ref": "#/components/schemas/BatchAccepted"}]
    },
    Call.BATCH: {"$ref": "#/components/schemas/BatchAccepted"},
}


MOST_EVENTS: Final = 4_000  # of a request, where no setting says otherwise


def document(most_events: int = MOST_EVENTS) -> dict[str, Any]:
    """Return the description as JSON values. `most_events`: of a request."""
    events = {"type": "array", "maxItems": most_events, "items": {"$ref": "#/components/schemas/Event"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Daymark ingest",
            "version": _version(),
            "description": "Takes Segment's identify calls. 200 means that Kafka has the events.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {path.decode(): _path(path.decode(), call) for path, call in ROUTES.items()},
        "components": {
            "schemas": _SCHEMAS | {"Events": events},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "base64(key:), the password empty"},
                "bearer": {"type": "http", "scheme": "bearer", "description": "the key"},
            },
        },
    }


def _path(path: str, call: Call) -> dict[str, Any]:
    name = path.strip("/").replace("/", "_").replace(".", "_")
    if call is Call.DESCRIPTION:
        return {"get": {"operationId": name, "summary": call.value, "responses": {"200": _json("OpenAPI 3.1", {})}}}
    operation = {
        "operationId": name,
        "summary": call.value,
        "security": [{"basic": []}, {"bearer": []}, {}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _BODIES[call]}}},
        "responses": _responses(call),
    }
    return {"post": operation}


def _responses(call: Call) -> dict[str, Any]:
    refusals = [answers.UNSUPPORTED_CALL, response.MALFORMED_REQUEST, response.TOO_SLOW, response.METHOD_NOT_ALLOWED]
    if call is not Call.OTHER:
        refusals = list(answers.TABLE)
    responses = {str(status): _refused(status, refusals) for status in sorted({each.status for each in refusals})}
    if call in _SUCCESSES:
        responses["200"] = _json("Kafka has every accepted event, in all in-sync replicas", _SUCCESSES[call])
    return responses


def _refused(status: int, refusals: list[Refusal]) -> dict[str, Any]:
    codes = [refusal for refusal in refusals if refusal.status == status]
    refused = _json(_WORDS[status], {"$ref": "#/components/schemas/Refusal"})
    refused["content"]["application/json"]["examples"] = {
        refusal.code: {"value": {"success": False, "code": refusal.code, "message": refusal.message}}
        for refusal in codes
    }
    if status in _HEADERS:
        refused["headers"] = _HEADERS[status]
    return refused


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _version() -> str:
    try:
        return version("daymark")
    except PackageNotFoundError:  # run from a folder, not installed
        return "0"


@lru_cache(8)
def answer(most_events: int) -> Response:
    """Return the answer that the description is; the same each time, since it is large."""
    return response.json_response(200, document(most_events))
