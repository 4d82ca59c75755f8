"""Bodies exactly as published SDKs send them, with what must come of each (`sdks.json`)."""

import asyncio
import gzip
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.app import App
from ingest.metrics import Metrics
from ingest.resources import Rules
from schemas import segment, timestamps
from schemas.identify import Identify
from tests.ingest.calls import Answered, call
from tests.ingest.fake_server import KEY, WORKSPACES
from tests.ingest.fakes import FakeDelivery

CASES = json.loads(Path(__file__).with_name("sdks.json").read_text())
RECEIVED_MS = 1_796_022_000_000  # 2026-11-30T07:00Z


@pytest.mark.parametrize("case", CASES, ids=[case["sdk"] for case in CASES])
def test_what_a_sdk_sends(case: dict[str, Any]) -> None:
    """Each of its events is on the right day, for ingest and for the processor, and none bears the key."""
    delivery = FakeDelivery()
    body = json.dumps(case["body"]).replace("KEY", KEY).encode()
    headers = {b"authorization": b"Bearer " + KEY.encode()}
    if case["headers"].get("Content-Encoding") == "gzip":
        body, headers[b"content-encoding"] = gzip.compress(body), b"gzip"
    answered = asyncio.run(_sent(delivery, body, headers, case["path"].encode()))
    assert not [value for _, value in delivery.published if KEY.encode() in value]
    assert answered.code == case.get("code", "")
    assert [_contact_day(value) for _, value in delivery.published] == [
        ("peter@example.com", day) for day in case["days"]
    ]


async def _sent(delivery: FakeDelivery, body: bytes, headers: dict[bytes, bytes], path: bytes) -> Answered:
    return await call(App(delivery, lambda: WORKSPACES, Rules(), Metrics()), body, headers, path)


def _contact_day(value: bytes) -> tuple[str, str]:
    found = segment.read(value, RECEIVED_MS)
    assert isinstance(found, Identify)
    return found.email, (date(1970, 1, 1) + timedelta(timestamps.day(found.timestamp_ms, None))).isoformat()
