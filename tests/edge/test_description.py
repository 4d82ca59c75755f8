"""What the API says of itself is held against what it does: schemathesis, on a real ingest and a real Kafka."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis.generation import GenerationMode

from ingest.openapi import document
from schemas.topics import Topics
from schemas.workspace import digest
from tests.flows import Process, Road
from tests.ingest.fake_server import KEY


@pytest.fixture
def url(kafka: str, topics: Topics, claim_key: bytes, tmp_path: Path) -> Iterator[str]:
    """Where `daymark ingest` answers, once it is ready."""
    workspaces = tmp_path / "workspaces.toml"
    workspaces.write_text(f'[workspaces.acme]\nkeys = ["sha256:{digest(KEY).hex()}"]\n')
    road = Road(kafka, "redis://127.0.0.1:1", topics, claim_key)
    ingest: Process = road.start("ingest", DAYMARK_WORKSPACES=str(workspaces), DAYMARK_HTTP="127.0.0.1:0")
    try:
        ingest.wait_for("kafka.reached")
        address = json.loads(ingest.wait_for(r'\{.*"ingest\.started".*\}'))["http"]
        yield f"http://{address}"
    finally:
        status = ingest.end()
        sys.stdout.write(ingest.said)
    assert status == 0
    assert "request.failed" not in ingest.said


# All checks are on; these are the statuses that schemathesis would not expect.
CHECKS = {
    # 501 is a call that is not identify, not a fault. 503 would be one: Kafka is there.
    "not_a_server_error": {"expected-statuses": ["2xx", "4xx", 501]},
    # No schema can say "an e-mail, under a key in any spelling": what fits it may still lack one.
    "positive_data_acceptance": {"expected-statuses": [200, 400, 413, 501]},
    "negative_data_rejection": {"expected-statuses": [400, 413, 501]},
}
OPERATIONS = [
    *((path, "POST", mode) for path in ("/v1/identify", "/v1/batch", "/v1/track") for mode in GenerationMode),
    ("/openapi.json", "GET", GenerationMode.POSITIVE),
]


def test_the_api_is_as_described(url: str) -> None:
    """Whatever is sent to a path, the answer is one that the description has: status, headers, content, schema."""
    config = schemathesis.Config.from_dict({"checks": CHECKS})
    schema = schemathesis.openapi.from_dict(document(), config=config)
    for path, method, mode in OPERATIONS:
        _hold(schema[path][method].as_strategy(generation_mode=mode), url)


def _hold(cases: SearchStrategy[Any], url: str) -> None:
    """Send some requests of an operation, with a good key, and hold each answer to the description."""

    @settings(max_examples=10, database=None, derandomize=True, phases=[Phase.generate])
    @given(case=cases)
    def run(case: Any) -> None:
        case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {KEY}"})

    run()
