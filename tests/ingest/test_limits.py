"""What a workspace may take: its rate, and no more room than it leaves to others."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from ingest.app import App
from ingest.metrics import Metrics
from ingest.quota import Quota
from ingest.rate import Buckets
from ingest.resources import MOST_BYTES, MOST_REQUESTS, Rules
from schemas.workspace import Workspace, Workspaces, digest
from tests.ingest import wire
from tests.ingest.calls import Answered, call, count
from tests.ingest.conftest import Server
from tests.ingest.fake_server import SLOW_KEY
from tests.ingest.fakes import FakeDelivery
from tests.ingest.wire import event, post

RATES = {"flood": 10.0, "calm": None}
WORKSPACES = Workspaces(
    {name: Workspace(name, (digest(name),), rate_per_second=rate) for name, rate in RATES.items()},
    {digest(name): name for name in RATES},
)
STRANGER = ""  # the key is in the body, or nowhere


class Api:
    """The application with a fake delivery and a clock that stands still."""

    def __init__(self, quota: Quota | None = None, workspaces: Callable[[], Workspaces] = lambda: WORKSPACES) -> None:
        self.delivery, self.metrics, self.now = FakeDelivery(), Metrics(), 0.0
        self.quota, self.workspaces = quota or Quota(MOST_REQUESTS, MOST_BYTES), workspaces
        self._app: App | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._buckets = Buckets(1, lambda: self.now)

    def app(self) -> App:
        """Return the application, one for each loop."""
        if self._app is None or self._loop is not asyncio.get_running_loop():
            self._loop = asyncio.get_running_loop()
            shared: dict[str, Any] = {"quota": self.quota, "buckets": self._buckets}
            self._app = App(self.delivery, self.workspaces, Rules(), self.metrics, **shared)
            self._app.resources.now = lambda: 0.0
        return self._app

    async def send(
        self, key: str, body: bytes = event(), path: bytes = b"/v1/identify", gate: asyncio.Event | None = None
    ) -> Answered:
        """Send a request; its body comes once the gate is open."""
        headers = {b"authorization": b"Bearer " + key.encode()} if key else {}
        return await call(self.app(), body, headers, path, gate)

    async def codes(self, count: int, key: str, **request: Any) -> list[str]:
        return [(await self.send(key, **request)).code for _ in range(count)]

    def count(self, line: str) -> float:
        return count(self.metrics, line)


def test_a_workspace_over_its_rate_is_told_to_wait() -> None:
    """Within its rate all is well; beyond it requests are 429 with Retry-After, and nobody else is the slower."""

    async def scene() -> None:
        api = Api()
        assert await api.codes(12, "flood") == [""] * 10 + ["rate_limited"] * 2
        assert await api.codes(30, "calm") == [""] * 30
        assert (await api.send("flood")).headers["retry-after"] == "1"
        api.now += 1
        assert await api.codes(1, "flood") == [""]
        assert len(api.delivery.published) == 41
        assert api.count('daymark_ingest_limited_requests_total{code="rate_limited",workspace="flood"}') == 3
        assert api.count('daymark_ingest_requests_total{code="rate_limited",status="429"}') == 3

    asyncio.run(scene())


def test_a_batch_costs_its_events() -> None:
    """A batch goes whole when there is anything left, and the ones behind it wait for all of its events."""

    async def scene() -> None:
        api = Api()
        batch = b"[%s]" % b",".join([event()] * 50)
        assert (await api.send("flood", batch)).code == ""
        refused = await api.send("flood", batch)
        assert (refused.code, refused.headers["retry-after"]) == ("rate_limited", "4")
        assert len(api.delivery.published) == 50

    asyncio.run(scene())


def test_what_is_rejected_costs_as_well() -> None:
    """Events that cannot be taken, and bodies that cannot be read, are work too: one costs an event."""

    async def scene() -> None:
        api = Api()
        assert await api.codes(5, "flood", body=b"{}") == ["missing_email"] * 5
        assert await api.codes(5, "flood", body=b"[", path=b"/v1/batch") == ["not_an_object"] * 5
        assert await api.codes(1, "flood") == ["rate_limited"]
        assert len(api.delivery.rejected) == 10

    asyncio.run(scene())


def test_a_refusal_is_cheap() -> None:
    """With the key in the headers it is said without a body; nothing is recorded or published for it."""

    async def scene() -> None:
        api = Api()
        await api.codes(10, "flood")
        gate = asyncio.Event()
        waiting = asyncio.create_task(api.send("flood", gate=gate))
        await asyncio.sleep(0)
        assert api.quota.count == 0  # it holds nothing while its body is thrown away
        gate.set()
        assert (await waiting).code == "rate_limited"
        keyed = event(writeKey="flood")
        assert (await api.send(STRANGER, keyed)).code == "rate_limited"
        assert len(api.delivery.published) == 10

    asyncio.run(scene())


def test_requests_at_the_same_time_are_counted_one_by_one() -> None:
    """Those that all asked before any was counted do not slip through together."""

    async def scene() -> None:
        api = Api()
        gate = asyncio.Event()
        waiting = [asyncio.create_task(api.send("flood", gate=gate)) for _ in range(40)]
        await asyncio.sleep(0)
        gate.set()
        answered = [found.code for found in await asyncio.gather(*waiting)]
        assert sorted(answered) == [""] * 10 + ["rate_limited"] * 30

    asyncio.run(scene())


@pytest.mark.parametrize("body", [event(), b"[%s]" % b",".join([event()] * 5)])
def test_a_flood_leaves_room_for_requests(body: bytes) -> None:
    """A workspace whose requests pile up is 503 alone at half of what there may be; another's are taken."""

    async def scene() -> None:
        api = Api(Quota(20, MOST_BYTES))
        api.delivery.gated = True
        floods = [asyncio.create_task(api.send("calm", body)) for _ in range(40)]
        await asyncio.sleep(0)
        others = [asyncio.create_task(api.send("flood")) for _ in range(4)]
        await asyncio.sleep(0)
        api.delivery.open_gate()
        flooded = [found.code for found in await asyncio.gather(*floods)]
        assert (flooded.count(""), flooded.count("overloaded")) == (10, 30)
        assert [found.code for found in await asyncio.gather(*others)] == [""] * 4
        assert api.count('daymark_ingest_limited_requests_total{code="overloaded",workspace="calm"}') == 30

    asyncio.run(scene())


def test_a_flood_leaves_room_for_bytes() -> None:
    """The same goes for what their bodies hold."""
    large = event(pad="x" * 1000)

    async def scene() -> None:
        api = Api(Quota(MOST_REQUESTS, 10 * len(large)))
        api.delivery.gated = True
        floods = [asyncio.create_task(api.send("calm", large)) for _ in range(10)]
        await asyncio.sleep(0)
        other = asyncio.create_task(api.send("flood", large))
        await asyncio.sleep(0)
        api.delivery.open_gate()
        assert [found.code for found in await asyncio.gather(*floods)] == [""] * 5 + ["overloaded"] * 5
        assert (await other).code == ""

    asyncio.run(scene())


def test_strangers_leave_room_for_workspaces() -> None:
    """Requests whose key must be looked for in their bodies share one part of the quota until it is found."""

    async def scene() -> None:
        api = Api(Quota(10, MOST_BYTES))
        gate = asyncio.Event()
        keyed = event(writeKey="calm")
        strangers = [asyncio.create_task(api.send(STRANGER, keyed, gate=gate)) for _ in range(20)]
        await asyncio.sleep(0)
        assert await api.codes(5, "calm") == [""] * 5
        gate.set()
        found = [answered.code for answered in await asyncio.gather(*strangers)]
        assert (found.count(""), found.count("overloaded")) == (5, 15)
        assert api.quota.count == 0

    asyncio.run(scene())


def test_over_the_rate_on_the_wire(server: Server) -> None:
    """429 bears Retry-After, and the connection goes on, also when the body came before the answer."""
    key = b"Authorization: Bearer " + SLOW_KEY.encode()
    with wire.connect(server.http) as link:
        for _ in range(3):
            link.sendall(post(event(), key, key=False))
            reply = wire.answer(link)
        assert (reply.status, reply.code) == (429, "rate_limited")
        assert int(reply.headers["retry-after"]) >= 1
