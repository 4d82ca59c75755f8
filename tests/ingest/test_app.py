"""The API in this process: what it publishes, what it records, what it counts, and in which order it decides."""

import asyncio
import gzip
import json
from codecs import BOM_UTF8
from typing import Any

import msgspec
import pytest

from ingest.app import App
from ingest.delivery import Readiness
from ingest.metrics import Metrics
from ingest.quota import Quota
from ingest.resources import Rules
from schemas.format import compiled
from schemas.workspace import Workspaces
from tests.ingest.calls import call, count
from tests.ingest.fake_server import KEY, WORKSPACES
from tests.ingest.fakes import FakeDelivery
from tests.ingest.wire import event

HEADERS = {b"authorization": b"Bearer " + KEY.encode()}


class Api:
    """The application with a fake delivery; a new one for each call, unless calls are concurrent."""

    def __init__(self, quota: Quota | None = None, **rules: Any) -> None:
        self.delivery, self.metrics = FakeDelivery(), Metrics()
        self.workspaces = WORKSPACES
        self._quota, self._rules = quota, Rules(**rules)
        self._app: App | None = None
        self.tracing: OneSpan | None = None

    def post(self, body: bytes, path: str = "/v1/identify", **headers: str) -> dict[str, Any]:
        """Return the answer's JSON with its status."""
        self._app = None
        return asyncio.run(self.send(body, path, headers))

    async def send(self, body: bytes, path: str = "/v1/identify", headers: dict[str, str] | None = None) -> Any:
        self._app = self._app or App(
            self.delivery,
            lambda: self.workspaces,
            self._rules,
            self.metrics,
            quota=self._quota,
            tracing=self.tracing,
        )
        said = HEADERS | {name.encode(): text.encode() for name, text in (headers or {}).items()}
        answered = await call(self._app, body, said, path.encode())
        return {"status": answered.status, **answered.json}

    def count(self, line: str) -> float:
        return count(self.metrics, line)


def test_bytes_as_received() -> None:
    """An event is published with the bytes that came, under its normalised e-mail, with its workspace and receipt."""
    api = Api()
    body = b' { "type":"identify", "email" : " Peter@EXAMPLE.com ", "timestamp" : 1590947747, "n": 1.0e0 } '
    assert api.post(gzip.compress(body), **{"content-encoding": "gzip"}) == {"status": 200, "success": True}
    assert api.delivery.published == [(b"peter@example.com", body)]
    (workspace, name), (received_at, digits) = api.delivery.headers[0]
    assert (workspace, name, received_at) == ("workspace", b"acme", "received_at")
    assert isinstance(digits, bytes)
    assert digits.isdigit()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("x", False),
    ],
)
def test_a_valid_traceparent_goes_with_every_event(sent: str, *, kept: bool) -> None:
    """That of the request, with each of its events; one that is not valid goes nowhere, and refuses nothing."""
    api = Api()
    assert api.post(b'{"batch":[%s,%s]}' % (event(), event()), "/v1/batch", traceparent=sent)["status"] == 200
    assert [dict(headers).get("traceparent") for headers in api.delivery.headers] == [sent.encode() * kept or None] * 2


class OneSpan:
    """Traces every request, by one span."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def begin(self, path: bytes, sent: bytes | None) -> "OneSpan":
        self.told.append((path, sent))
        return self

    def publish(self, records: int) -> bytes:
        self.told.append(records)
        return b"00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01"

    def published(self, *, is_delivered: bool) -> None:
        self.told.append(is_delivered)

    def end(self, status: int) -> None:
        self.told.append(status)

    def close(self) -> None:
        pass


def test_a_traced_request_gives_its_events_the_span_of_publishing() -> None:
    """In place of what the sender sent; the span ends with the answer, also of a request that is refused."""
    api = Api()
    api.tracing = OneSpan()
    assert api.post(event(), traceparent="sent")["status"] == 200
    assert dict(api.delivery.headers[0])["traceparent"] == b"00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01"
    assert api.post(b"{}")["status"] == 400
    assert api.tracing.told == [(b"/v1/identify", b"sent"), 1, True, 200, (b"/v1/identify", None), 400]


def test_a_byte_order_mark_is_not_published() -> None:
    """It is no part of the event: what is published is JSON to every reader (RFC 8259, section 8.1)."""
    api = Api()
    assert api.post(BOM_UTF8 + event())["status"] == 200
    assert api.delivery.published == [(b"peter@example.com", event())]


def test_a_batch_is_one_request() -> None:
    """The good events of a batch are published together, each with its own bytes and the batch's defaults."""
    api = Api()
    body = b'{"batch":[%s,{},%s],"context":{"page":{"url":"/x"}}}' % (event(), event(context={"page": None}))
    assert api.post(body, "/v1/batch")["accepted"] == 2
    first, second = (json.loads(value) for _, value in api.delivery.published)
    assert first["context"] == {"page": {"url": "/x"}}
    assert second["context"] == {"page": None}


def test_the_limit_is_that_of_what_is_published() -> None:
    """An event that its batch's defaults make too large is refused here, as the processor would refuse it."""
    api = Api()
    body = b'{"batch":[%s,%s],"context":{"x":"%s"}}' % (event(), event(context={"x": 1}), b"x" * 32_768)
    answer = api.post(body, "/v1/batch")
    assert [(fault["index"], fault["code"]) for fault in answer["rejected"]] == [(0, "too_large")]


def test_rejections_are_recorded() -> None:
    """What a known workspace sends and is refused goes to segment.rejected, with its bytes and its reason."""
    api = Api()
    api.post(b"{")
    api.post(b'[{"email":1},%s]' % event())
    assert [(record["reason"], record["raw"]) for record in api.delivery.rejected] == [
        ("malformed_json", b"{"),
        ("invalid_email", b'{"email":1}'),
    ]
    record = api.delivery.rejected[0]
    assert (record["stage"], record["workspace"], record["source_offset"]) == ("ingest", "acme", None)


def test_the_key_is_never_published() -> None:
    """The bytes are those that came but for the key: of an event, of each event of a batch, of the batch itself."""
    api = Api()
    keyed = b'{ "writeKey" : "%s", %s' % (KEY.encode(), event()[1:])
    plain = b"{ %s" % event()[1:]
    assert api.post(keyed)["status"] == 200
    assert api.post(keyed, authorization="")["status"] == 200
    batch = b'{"batch":[%s,%s],"context":{"app":{}},"writeKey":"%s"}' % (keyed, event(), KEY.encode())
    assert api.post(batch, "/v1/batch", authorization="")["accepted"] == 2
    assert api.post(b"[%s]" % keyed)["accepted"] == 1
    values = [value for _, value in api.delivery.published]
    assert (values[:2], values[4:]) == ([plain, plain], [plain])
    assert not [value for value in values if b"writeKey" in value or KEY.encode() in value]


@pytest.mark.parametrize(
    "body",
    [
        b'{"writeKey":"KEY","type":"track"}',
        b'{"writeKey":"KEY","type":',
        b'[{"writeKey":"KEY"},["writeKey",{"writeKey":"KEY"}],{"a":"%s","writeKey":"KEY"}]' % (b"x" * 32_768),
        b'{"batch":[{"writeKey":"KEY"},],"writeKey":"KEY"}',
        b'[{"writeKey":"KEY"}',
    ],
)
def test_the_key_is_never_recorded(body: bytes) -> None:
    """What is refused is recorded without it, whether it could be read or not."""
    api = Api()
    api.post(body.replace(b"KEY", KEY.encode()), "/v1/batch" if b"batch" in body else "/v1/identify")
    assert api.delivery.rejected
    assert not [record for record in api.delivery.rejected if KEY.encode() in record["raw"]]


def test_an_event_is_as_large_as_it_was_sent() -> None:
    """It does not pass for its key being cut; and what a format finds is what the processor will find."""
    api = Api()
    body = event(writeKey=KEY)
    assert api.post(body.ljust(32_768))["status"] == 200
    assert api.post(body.ljust(32_769))["code"] == "too_large"
    acme = msgspec.structs.replace(WORKSPACES.get("acme"), format=compiled({"email": "writeKey || traits.email"}))
    api.workspaces = Workspaces({"acme": acme}, WORKSPACES.by_digest)
    assert api.post(event(writeKey="other@example.com"))["status"] == 200
    assert api.delivery.published[-1][0] == b"peter@example.com"


def test_a_malformed_batch_is_recorded_whole() -> None:
    """A batch that cannot be taken apart is one rejection."""
    api = Api()
    assert api.post(b'{"batch":[1,]}', "/v1/batch")["code"] == "malformed_json"
    assert [record["raw"] for record in api.delivery.rejected] == [b'{"batch":[1,]}']


def test_strangers_leave_only_a_metric() -> None:
    """Nothing that comes without a valid key is kept."""
    api = Api()
    assert api.post(b"{", authorization="Bearer other")["code"] == "unknown_key"
    assert (api.delivery.rejected, api.delivery.published) == ([], [])
    assert api.count('daymark_ingest_requests_total{code="unknown_key",status="401"}') == 1


def test_rejections_of_a_failed_request_are_not_recorded() -> None:
    """A request that is answered 503 comes again whole: its rejections are recorded then."""
    api = Api()
    assert api.post(b"[{},%s]" % event(traits={"email": "failed@example.com"}))["status"] == 503
    assert api.delivery.rejected == []


def test_counts() -> None:
    """Events are counted once each: by reason, as accepted, or as failed."""
    api = Api()
    api.post(b"[%s,%s,{}]" % (event(), event()))
    api.post(event(traits={"email": "failed@example.com"}))
    for result, counted in {"accepted": 2, "failed": 1, "missing_email": 1, "too_large": 0}.items():
        assert api.count(f'daymark_ingest_events_total{{result="{result}"}}') == counted
    assert api.count("daymark_ingest_request_seconds_count") == 2
    assert api.count("daymark_ingest_requests_in_flight") == 0
    assert api.count("daymark_ingest_bytes_in_flight") == 0


def test_kafka_away() -> None:
    """While the topics have not been seen nothing is published; while the queue is full nothing is even read."""
    api = Api()
    api.delivery.readiness = Readiness(ready=False, reason="")
    assert api.post(event())["code"] == "unavailable"
    api.delivery.room = False
    assert api.post(b"{")["code"] == "overloaded"


def test_too_many_requests() -> None:
    """Requests beyond the bound are refused while the others wait, and taken once those are done."""
    api = Api(Quota(4, 10**6))

    async def scene() -> None:
        api.delivery.gated = True
        waiting = [asyncio.create_task(api.send(event())) for _ in range(2)]
        await asyncio.sleep(0)
        assert (await api.send(event()))["code"] == "overloaded"
        api.delivery.open_gate()
        assert [answer["status"] for answer in await asyncio.gather(*waiting)] == [200, 200]
        assert (await api.send(event()))["status"] == 200

    asyncio.run(scene())


def test_too_many_bytes() -> None:
    """Bodies beyond the bound of bytes are refused, and what a request held is free again when it ends."""
    api = Api(Quota(10, 2 * len(event())))

    async def scene() -> None:
        api.delivery.gated = True
        waiting = asyncio.create_task(api.send(event()))
        await asyncio.sleep(0)
        assert (await api.send(event(pad="x")))["code"] == "overloaded"
        api.delivery.open_gate()
        assert (await waiting)["status"] == 200
        assert (await api.send(event(pad="x")))["status"] == 200

    asyncio.run(scene())


def test_a_request_is_as_large_as_it_may() -> None:
    """A limit beyond the usual bound of bytes moves the bound with it."""
    api = Api(request_limit_bytes=100_000_000)
    assert api.post((b"[%s]" % event()).ljust(80_000_000))["accepted"] == 1


def test_faults_are_answered() -> None:
    """A fault in the code is a 503, which is sent again, and leaves nothing in flight."""
    api = Api()
    assert api.post(event(traits={"email": "broken@example.com"}))["code"] == "internal_error"
    assert api.count("daymark_ingest_requests_in_flight") == 0


def test_workspaces_are_asked_each_time() -> None:
    """A key that is revoked is refused with the next request."""
    api = Api()

    async def scene() -> None:
        assert (await api.send(event()))["status"] == 200
        api.workspaces = Workspaces()
        assert (await api.send(event()))["code"] == "unknown_key"

    asyncio.run(scene())
