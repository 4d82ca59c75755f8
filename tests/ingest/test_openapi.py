"""The description of the API is valid and complete; test_status_codes.py and wire.py hold the API to it."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import validate

from ingest import answers
from ingest.openapi import document
from ingest.routes import ROUTES, Call
from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.test_status_codes import ACCEPTED, REFUSED

DOCUMENT: dict[str, Any] = json.loads(json.dumps(document()))


def test_is_openapi() -> None:
    """The description follows the specification."""
    validate(DOCUMENT)


def test_every_path_is_described() -> None:
    """Each path of the API is there, and no other."""
    assert set(DOCUMENT["paths"]) == {path.decode() for path in ROUTES}


@pytest.mark.parametrize(
    "path", [path.decode() for path, call in ROUTES.items() if call in {Call.IDENTIFY, Call.BATCH}]
)
def test_every_refusal_is_described(path: str) -> None:
    """Each status of the table is there with each of its codes."""
    responses = DOCUMENT["paths"][path]["post"]["responses"]
    described = {
        (int(status), code)
        for status, response in responses.items()
        for code in response["content"]["application/json"].get("examples", {})
    }
    assert described == {(refusal.status, refusal.code) for refusal in answers.TABLE}


def test_examples_are_what_they_illustrate() -> None:
    """Each example fits its schema."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            _validator({"$ref": f"#/components/schemas/{name}"}).validate(example)
    for path in DOCUMENT["paths"].values():
        for response in path.get("post", {}).get("responses", {}).values():
            content = response["content"]["application/json"]
            for example in content.get("examples", {}).values():
                _validator(content["schema"]).validate(example["value"])


@pytest.mark.parametrize("request_of", ["an event", "a list", "a batch", "an empty batch"])
def test_success_is_as_described(server: Server, request_of: str) -> None:
    """What the API answers fits what it says it answers."""
    request = ACCEPTED[request_of]
    path = request.split(b" ")[1].decode()
    schema = DOCUMENT["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    _validator(schema).validate(wire.exchange(server.http, request).json)


@pytest.mark.parametrize("name", ["missing_email", "unavailable: a batch", "malformed_request"])
def test_refusal_is_as_described(server: Server, name: str) -> None:
    """What the API refuses with fits what it says it refuses with."""
    _validator({"$ref": "#/components/schemas/Refusal"}).validate(wire.exchange(server.http, REFUSED[name]).json)


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})
