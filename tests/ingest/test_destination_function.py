"""Segment's Destination Function in deploy/segment, run by Node against a real server: what is sent again, what not."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.docs import ROOT
from tests.ingest.conftest import Server
from tests.ingest.fake_server import KEY, SLOW_KEY
from tests.ingest.wire import EVENT

FUNCTION = ROOT / "deploy" / "segment" / "destination-function.js"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


def _run(server: Server, *calls: tuple[str, object], key: str = KEY, endpoint: str = "") -> list[dict[str, Any]]:
    """Return what each call of a handler came to."""
    settings = {"endpoint": endpoint or f"http://{server.http[0]}:{server.http[1]}/", "apiKey": key}
    asked = [[handler, payload, settings] for handler, payload in calls]
    command = [str(NODE), str(Path(__file__).with_suffix("").with_name("destination_function.js")), str(FUNCTION)]
    said = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=True)
    return list(json.loads(said.stdout))


def _identify(email: object = "peter@example.com", **fields: object) -> dict[str, Any]:
    return {**EVENT, "traits": {"email": email}, **fields}


def test_one_event(server: Server) -> None:
    """It is taken, or refused for good with the reason, or to be sent again."""
    taken, refused, full = _run(
        server,
        ("onIdentify", _identify()),
        ("onIdentify", _identify(email=None)),
        ("onIdentify", _identify(email="full@example.com")),
    )
    assert taken == {"requests": 1}  # returned nothing
    assert (refused["thrown"], refused["message"]) == (
        "ValidationError",
        "Missing email address (missing_email, HTTP 400)",
    )
    assert full["thrown"] == "RetryError"
    assert "HTTP 503" in full["message"]


def test_a_batch_says_of_each_event_what_became_of_it(server: Server) -> None:
    events = [_identify(), {"type": "track", "event": "Visited"}, _identify(email="nobody"), _identify("a@b.example")]
    (mixed,) = _run(server, ("onBatch", events))
    assert [outcome["status"] for outcome in mixed["returned"]] == [200, 400, 400, 200]
    assert mixed["returned"][1]["errormessage"] == "track calls are not supported"
    assert "email" in mixed["returned"][2]["errormessage"]
    (none,) = _run(server, ("onBatch", [_identify(email=None), _identify(timestamp="yesterday")]))
    assert [outcome["status"] for outcome in none["returned"]] == [400, 400]


def test_a_batch_larger_than_a_request_may_be_is_split(server: Server) -> None:
    events = [_identify(f"c{number}@example.com", filler="x" * 25_000) for number in range(100)]
    (large,) = _run(server, ("onBatch", events))
    assert {outcome["status"] for outcome in large["returned"]} == {200}
    assert large["requests"] == 2
    (nothing,) = _run(server, ("onBatch", [{"type": "page"}]))
    assert (nothing["requests"], nothing["returned"][0]["status"]) == (0, 400)


@pytest.mark.parametrize(
    ("key", "endpoint"), [("dk_wrong", ""), (KEY, "http://127.0.0.1:9"), (KEY, "{server}/elsewhere")]
)
def test_what_can_be_mended_is_sent_again(server: Server, key: str, endpoint: str) -> None:
    """A wrong key, and an address where nobody or something else answers."""
    endpoint = endpoint.format(server=f"http://{server.http[0]}:{server.http[1]}")
    one, batch = _run(server, ("onIdentify", _identify()), ("onBatch", [_identify()]), key=key, endpoint=endpoint)
    assert one["thrown"] == "RetryError"
    assert [outcome["status"] for outcome in batch["returned"]] == [500]


def test_what_is_over_the_rate_is_sent_again(server: Server) -> None:
    outcomes = _run(server, *[("onIdentify", _identify())] * 3, key=SLOW_KEY)
    assert outcomes[-1]["thrown"] == "RetryError"
    assert "HTTP 429" in outcomes[-1]["message"]
