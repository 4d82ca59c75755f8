"""As large as Segment sends: what fits is taken, and what does not is recorded as far as it was read, and counted."""

import asyncio
import gzip
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import admission
from ingest.admission import RAW_LIMIT_BYTES
from ingest.app import App
from ingest.body import PIECE_BYTES, Gzip
from ingest.counting import COMMAS_PER_EVENT, has_more, is_dense
from ingest.http.exchange import Head
from ingest.intake import SAMPLE_BYTES, Intake
from ingest.metrics import Metrics
from ingest.resources import Rules
from tests.ingest.fake_server import WORKSPACES
from tests.ingest.fakes import FakeDelivery
from tests.ingest.test_app import HEADERS, Api
from tests.ingest.wire import event

LIMIT = 4 << 20
MOST = 4_000
TOO_LARGE = 'daymark_ingest_events_total{result="too_large"}'
NOISE = random.Random(11).randbytes(2 * LIMIT)


def raw(api: Api) -> bytes:
    """Return all that was recorded as rejected, each record of which fits into a message."""
    assert all(len(record["raw"]) <= RAW_LIMIT_BYTES for record in api.delivery.rejected)
    assert {(record["reason"], record["workspace"]) for record in api.delivery.rejected} == {("too_large", "acme")}
    return b"".join(record["raw"] for record in api.delivery.rejected)


@pytest.mark.parametrize(("count", "size"), [(1_000, 700), (MOST, 700), (3_800, 134)])
def test_a_list_as_webhooks_send_it(count: int, size: int) -> None:
    """1,000 and 4,000 identifies of 700 bytes, as Segment's Webhooks; 3,800 in 512,000 bytes, as Rust's SDK."""
    padded = event(pad="x" * (size - len(event(pad="")))) if size > 200 else event()
    api = Api()
    assert api.post(b"[%s]" % b",".join([padded] * count)) == {
        "status": 200, "success": True, "accepted": count, "rejected": []
    }  # fmt: skip


@pytest.mark.parametrize("encoded", [False, True])
def test_a_request_over_the_limit(*, encoded: bool) -> None:
    """While it arrives it is refused, recorded as far as it was read and counted as one event."""
    api = Api()
    headers = {"content-encoding": "gzip"} if encoded else {}
    body = NOISE[: LIMIT + PIECE_BYTES]
    answer = api.post(gzip.compress(body, 1) if encoded else body, **headers)
    assert (answer["status"], answer["code"]) == (413, "request_too_large")
    assert answer["message"] == "The request is larger than 4,194,304 bytes after decompression"
    assert body.startswith(raw(api))
    assert len(raw(api)) >= (0 if encoded else LIMIT)
    assert api.count(TOO_LARGE) == 1


def test_a_request_that_says_it_is_over_the_limit() -> None:
    """Enough of it is read to know its workspace; nothing, if the client waits for 100 Continue."""
    api = Api()
    body = NOISE[: LIMIT + 1]
    length = {"content-length": str(len(body))}
    assert api.post(body, **length)["code"] == "request_too_large"
    assert len(raw(api)) >= SAMPLE_BYTES
    assert api.post(body, **length, expect="100-continue")["code"] == "request_too_large"
    assert [record["raw"] for record in api.delivery.rejected][-1] == b""
    assert api.count(TOO_LARGE) == 2


def test_too_many_events() -> None:
    """All that was read is recorded, in parts that fit into messages, and say which part of how many they are."""
    api = Api()
    body = b"[%s]" % b",".join([event(pad="x" * 300)] * (MOST + 1))
    answer = api.post(body)
    assert (answer["code"], answer["message"]) == ("too_many_events", "The batch has more than 4,000 events")
    assert raw(api) == body
    assert api.delivery.rejected[1]["message"] == "The batch has more events than the limit (part 2 of 4)"
    assert api.count(TOO_LARGE) == 1


@pytest.mark.parametrize("in_batch", [False, True])
def test_an_event_over_the_limit(*, in_batch: bool) -> None:
    """Alone or in a batch, however large."""
    api = Api()
    large = event(pad="x" * 3_000_000)
    answer = api.post(b"[%s,%s]" % (event(), large) if in_batch else large)
    assert answer["status"] == (200 if in_batch else 413)
    assert (raw(api), api.count(TOO_LARGE)) == (large, 1)


def test_defaults_cannot_blow_a_request_up() -> None:
    """They add no more than a request may have; what they came with is recorded."""
    api = Api()
    body = b'{"batch":[%s],"context":{"x":"%s"}}' % (b",".join([b"{}"] * 2500), b"x" * 30_000)
    assert api.post(body, "/v1/batch")["code"] == "request_too_large"
    assert raw(api) == body
    assert api.delivery.published == []


def test_what_defaults_add_counts_in_the_quota() -> None:
    """A workspace's batches hold what they grow to."""
    api = Api()
    body = b'{"batch":[%s],"context":{"x":"%s"}}' % (b",".join([event()] * 100), b"x" * 10_000)

    async def scene() -> None:
        api.delivery.gated = True
        sending = asyncio.create_task(api.send(body, "/v1/batch"))
        while not api.delivery.published:  # noqa: ASYNC110  turns of the loop are what is waited for
            await asyncio.sleep(0)
        assert api.count("daymark_ingest_bytes_in_flight") > 1_000_000
        api.delivery.open_gate()
        assert (await sending)["accepted"] == 100
        assert api.count("daymark_ingest_bytes_in_flight") == 0

    asyncio.run(scene())


def test_strangers_leave_no_record() -> None:
    """Whose key is not known yet is refused for the size alike, and nothing of it is kept."""
    api = Api()
    for length in ({}, {"content-length": str(LIMIT + 1)}):
        assert api.post(NOISE[: LIMIT + 1], authorization="", **length)["code"] == "request_too_large"
    assert (api.delivery.rejected, api.count(TOO_LARGE)) == ([], 0)


def test_limits_are_settings() -> None:
    """Exactly the limit passes; the description says it."""
    api = Api(request_limit_events=3)
    assert api.post(b"[%s]" % b",".join([event()] * 3))["accepted"] == 3
    assert api.post(b"[%s]" % b",".join([event()] * 4))["code"] == "too_many_events"


def test_elements_are_counted_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two million elements in 4 MiB are refused without an object for each of them."""
    monkeypatch.setattr(admission, "events_of", lambda *_, **__: pytest.fail("the body was taken apart"))
    for body in (b"[1%s]" % (b",1" * 2_000_000), b'{"batch":[{}%s]}' % (b",{}" * 1_300_000)):
        api = Api()
        assert api.post(body, "/v1/identify" if body[:1] == b"[" else "/v1/batch")["code"] == "too_many_events"


def test_a_dense_batch_is_taken() -> None:
    """Many commas alone are no fault: they may be an event's own."""
    api = Api()
    body = b"[%s,%s]" % (event(), event(vector=[1] * 300_000))
    assert is_dense(body, MOST)
    assert [fault["code"] for fault in api.post(body)["rejected"]] == ["too_large"]


JSON = st.recursive(
    st.none() | st.integers() | st.text(',[]{}"\\', max_size=4),
    lambda values: st.lists(values, max_size=5) | st.dictionaries(st.text(',[{"', max_size=2), values, max_size=3),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=8), st.integers(1, 8))
def test_elements_are_counted_exactly(elements: list[Any], most: int) -> None:
    """Of a list, and of a list within an object, whatever is in them."""
    for body in (elements, {"sentAt": {"a": [1] * 20}, "batch": elements}):
        assert _result(json.dumps(body).encode(), most) is (len(elements) > most)


@given(st.binary(), st.integers(1, 8))
def test_counting_is_total(body: bytes, most: int) -> None:
    """Any bytes at all."""
    assert _result(body, most) in {True, False}


def test_counting_gives_the_loop_back() -> None:
    """No step of it looks at more than some thousand tokens."""
    body = b'{"batch":[%s]}' % event(vector=[1] * 300_000)
    assert sum(1 for _ in has_more(body, MOST)) >= 300_000 / 20_000 - 1
    assert not is_dense(b",".join([event()] * MOST), MOST)
    assert 2 * event().count(b",") < COMMAS_PER_EVENT


def test_no_more_than_a_piece_is_inflated_at_a_stretch() -> None:
    """However much a chunk inflates to; the rest comes when it is asked for."""
    content = bytes(LIMIT)
    inflater = Gzip(LIMIT)
    parts = [inflater.feed(gzip.compress(content))]
    while inflater.is_behind:
        parts.append(inflater.inflate())
    assert max(map(len, parts)) <= PIECE_BYTES
    assert b"".join(part for part in parts if isinstance(part, bytes)) == content
    assert inflater.fault() is None


def test_tiny_parts_take_their_size() -> None:
    """A body that comes two bytes at a time is one piece of memory, not a list of pieces."""

    async def scene() -> None:
        app = App(FakeDelivery(), lambda: WORKSPACES, Rules(), Metrics())
        intake = app.begin(Head(b"POST", b"/v1/batch", HEADERS), lambda _: None)
        assert isinstance(intake, Intake)
        for _ in range(50_000):
            intake.feed(b"  ")
        assert isinstance(intake._body, bytearray)
        assert len(intake._body) == app.resources.quota.size == 100_000
        intake.leave()
        assert app.resources.quota.size == 0

    asyncio.run(scene())


def _result(body: bytes, most: int) -> bool:
    steps = has_more(body, most)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return bool(end.value)
