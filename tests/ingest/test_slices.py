"""No batch holds the loop: what is long is done in slices, and everybody else gets a turn between them."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ingest.quota import Quota
from ingest.slices import EVENTS_A_STEP, EVENTS_A_TURN, TURN_SECONDS, Slices
from schemas import entry
from schemas.workspace import Workspaces
from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.test_limits import Api
from tests.ingest.wire import event, post

MOST = 4_000
UNLISTED = event(plan="gold")  # a field that is not listed: the tolerant path's
BATCH = b'{"batch":[%s]}' % b",".join([UNLISTED] * MOST)
PATH = b"/v1/batch"


class Loop:
    """Counts the turns of the running loop, and the events that were read in each."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.turns, self.most, self.read, self._now = 0, 0, 0, 0
        self._read = entry.known
        monkeypatch.setattr(entry, "known", self._count)

    def _count(self, *arguments: Any, **named: Any) -> Any:
        self.read += 1
        self._now += 1
        return self._read(*arguments, **named)

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.turns += 1
            self.most, self._now = max(self.most, self._now), 0


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    return Loop(monkeypatch)


def test_a_batch_gives_the_loop_back(loop: Loop) -> None:
    """A batch of 4,000 takes at least four turns, in none of which more than a thousand events are read."""

    async def scene() -> None:
        api = Api()
        watching = asyncio.create_task(loop.watch())
        assert (await api.send("calm", BATCH, PATH)).json == {"success": True, "accepted": MOST, "rejected": []}
        watching.cancel()
        assert (loop.read, len(api.delivery.published)) == (MOST, MOST)

    asyncio.run(scene())
    assert loop.turns >= MOST / EVENTS_A_TURN
    assert loop.most <= EVENTS_A_TURN


@pytest.mark.parametrize("size", [1, 10, 100, 1_000])
def test_many_batches_share_a_turn(loop: Loop, size: int) -> None:
    """However many batches come at once, of whatever size, a turn reads a thousand events, and a step more at most."""
    batch = b"[%s]" % b",".join([event()] * size)

    async def scene() -> None:
        api = Api()
        watching = asyncio.create_task(loop.watch())
        found = await asyncio.gather(*[api.send("calm", batch) for _ in range(2_000 // size)])
        watching.cancel()
        assert {answered.code for answered in found} == {""}

    asyncio.run(scene())
    assert loop.read == 2_000
    assert loop.most <= EVENTS_A_TURN + EVENTS_A_STEP


def test_what_finds_no_room_is_refused_before_it_is_read(loop: Loop) -> None:
    """Of forty batches at once those are read that Kafka's queue has room for, and none of the others."""
    batch = b"[%s]" % b",".join([UNLISTED] * 500)

    async def scene() -> None:
        api = Api()
        api.delivery.gated, api.delivery.queue = True, Quota(6_250, 64 << 20)
        sending = [asyncio.create_task(api.send("calm", batch)) for _ in range(40)]
        await _until(lambda: len(api.delivery.published) + 500 * sum(task.done() for task in sending) == 40 * 500)
        assert loop.read == len(api.delivery.published) == 6 * 500
        api.delivery.open_gate()
        found = [answered.code for answered in await asyncio.gather(*sending)]
        assert (found.count(""), found.count("overloaded")) == (6, 34)
        assert (api.quota.count, api.quota.size) == (0, 0)

    asyncio.run(scene())


def test_a_batch_that_is_late_is_refused(loop: Loop) -> None:
    """Past its deadline no more of it is read: its client has given up, or soon will."""

    async def scene() -> None:
        api = Api()
        app = api.app()
        app.resources.now = lambda: 5.0 if loop.read >= 2 * EVENTS_A_TURN else 0.0
        assert (await api.send("calm", BATCH, PATH)).code == "overloaded"
        assert loop.read == 2 * EVENTS_A_TURN
        assert (api.quota.count, api.delivery.queue.count, api.delivery.published) == (0, 0, [])

    asyncio.run(scene())


def test_the_file_of_workspaces_changes_between_slices(loop: Loop) -> None:
    """A batch is judged by the workspaces of its first moment, all of it."""

    async def scene() -> None:
        world = {"now": Api().workspaces()}
        api = Api(workspaces=lambda: world["now"])
        sending = asyncio.create_task(api.send("calm", BATCH, PATH))
        await _until(lambda: loop.read > 0)
        world["now"] = Workspaces()
        assert (await sending).json["accepted"] == MOST
        assert (await api.send("calm")).code == "unknown_key"

    asyncio.run(scene())


def test_a_rate_is_taken_once(loop: Loop) -> None:
    """A batch goes on credit as a whole; a second one is refused before it is read."""

    async def scene() -> None:
        api = Api()
        first, second = await asyncio.gather(*[api.send("flood", BATCH, PATH) for _ in range(2)])
        assert (first.code, second.code, loop.read) == ("", "rate_limited", MOST)
        assert second.headers["retry-after"] == "399"
        assert (api.quota.count, api.delivery.queue.count) == (0, 0)

    asyncio.run(scene())


def test_a_fault_ends_one_batch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is answered 503 and leaves nothing behind; those beside it go on."""
    read = entry.known

    def broken(body: bytes, *arguments: Any, **named: Any) -> Any:
        if b"broken" in body:
            raise RuntimeError("a fault in the code")
        return read(body, *arguments, **named)

    monkeypatch.setattr(entry, "known", broken)
    bad = b"[%s,%s]" % (event(), event(event="broken"))

    async def scene() -> None:
        api = Api()
        found = await asyncio.gather(*[api.send("calm", body) for body in (bad, b"[%s]" % event())])
        assert [answered.code for answered in found] == ["internal_error", ""]
        assert (api.quota.count, api.delivery.queue.count) == (0, 0)

    asyncio.run(scene())


def test_slow_steps_share_no_turn() -> None:
    """A turn ends once it has taken its time, however few events that was."""
    turns, now = [0], 0.0

    def work() -> Iterator[int]:
        nonlocal now
        for _ in range(3):
            yield 1
            now += TURN_SECONDS
            turns[-1] += 1

    async def scene() -> None:
        slices = Slices(lambda: now)
        slices.add("one", work())
        while slices:
            await asyncio.sleep(0)
            turns.append(0)

    asyncio.run(scene())
    assert sum(turns) == 3
    assert max(turns) == 1


def test_owners_take_turns() -> None:
    """One owner's work is done in order; another's is not behind it."""
    done: list[str] = []

    def work(name: str) -> Iterator[int]:
        for number in range(3):
            yield EVENTS_A_TURN
            done.append(f"{name}{number}")

    async def scene() -> None:
        slices = Slices()
        for owner, name in (("one", "a"), ("one", "b"), ("two", "c")):
            slices.add(owner, work(name))
        await _until(lambda: len(done) == 9)

    asyncio.run(scene())
    assert done == ["a0", "c0", "a1", "c1", "a2", "c2", "b0", "b1", "b2"]


def test_the_owners_of_keys_in_bodies_take_turns(loop: Loop) -> None:
    """Once it is known whose a batch is, it waits behind its own workspace's alone."""
    keyed = BATCH[:-1] + b',"writeKey":"calm"}'

    async def scene() -> None:
        api = Api()
        floods = [asyncio.create_task(api.send("", keyed, PATH)) for _ in range(3)]
        small = b'{"batch":[%s],"writeKey":"flood"}' % event()
        assert (await api.send("", small, PATH)).code == ""
        assert loop.read < 2 * MOST
        assert [answered.code for answered in await asyncio.gather(*floods)] == [""] * 3

    asyncio.run(scene())


def test_a_client_that_leaves_cancels_nothing(own_server: Server) -> None:
    """Once its body is whole, a batch is stored whether or not its client waits for the answer."""
    with wire.connect(own_server.http) as link:
        link.sendall(post(BATCH, path=PATH))
        accepted = 'daymark_ingest_events_total{result="accepted"}'
        wire.until(lambda: wire.metric(own_server.admin, "daymark_ingest_request_seconds_count") >= 0)
    wire.until(lambda: wire.metric(own_server.admin, accepted) == MOST)
    assert wire.metric(own_server.admin, "daymark_ingest_bytes_in_flight") == 0


def test_order_and_leaving(own_server: Server) -> None:
    """What is behind a batch on its connection is answered behind it, also after SIGTERM."""

    def begun() -> bool:
        names = ("daymark_ingest_bytes_in_flight", "daymark_ingest_request_seconds_count")
        return any(wire.metric(own_server.admin, name) for name in names)

    with wire.connect(own_server.http) as link:
        link.sendall(post(BATCH, path=PATH) + post())
        wire.until(begun)
        own_server.process.send_signal(signal.SIGTERM)
        first, second = wire.answers(link)
    assert (first.json["accepted"], second.json) == (MOST, {"success": True})
    assert own_server.process.wait(60) == 0


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  turns of the loop are what is counted
        await asyncio.sleep(0)
