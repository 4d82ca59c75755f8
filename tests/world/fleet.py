"""The workers: the product's own parts, put together as `daymark.worker_wiring` does, over the world's drivers.

A slot has one process at a time, but for those that were frozen and replaced: zombies. Whoever ends is started again.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, NamedTuple

from processor import sink as sink_module
from processor import store as store_module
from processor.breaker import Breaker
from processor.claims import Claims, Lifetimes
from processor.errors import ClaimsAway, Fatal
from processor.lane import Lane
from processor.outputs import Codecs
from processor.ports import Session
from processor.sink import Sink
from processor.source import Source
from processor.worker import Worker
from schemas import avro
from tests.model.events import WORKSPACES
from tests.model.fleet import TOPICS
from tests.world.cluster import Cluster
from tests.world.consumer import WorldConsumer
from tests.world.kernel import Event, Kernel, Process
from tests.world.producer import WorldProducer
from tests.world.reader import WorldReader
from tests.world.store import StoreServer, WorldRedis

_CODECS = Codecs(avro.INTERACTION, avro.TRAIT, avro.REJECTED)
_RESTART_S = 1.0
_MOST = 10_000  # records of a batch
_STORE_TIMEOUT_S = 2.0
_LAG_S = 0.3  # by which a thread may go on after another when their process does


class Settings(NamedTuple):
    """How workers are set up, as far as it matters here."""

    membership: Mapping[str, Any]  # of the consumer, but for the slot
    is_static: bool
    transaction_s: float = 10.0
    has_lane: bool = False  # whether segment.backfill is read, too


class Life:
    """One process of a slot."""

    def __init__(self, slot: str, process: Process) -> None:
        self.slot, self.process = slot, process
        self.worker: Worker | None = None
        self.is_stopping = False


class Fleet:
    """All workers."""

    def __init__(self, cluster: Cluster, store: StoreServer, settings: Settings) -> None:
        self.cluster, self.kernel, self.settings = cluster, cluster.kernel, settings
        self.running: dict[str, Life] = {}
        self.zombies: list[Life] = []
        self.wanted: set[str] = set()
        self.crash: BaseException | None = None  # of the product: no fault explains it
        self.fatal: list[str] = []
        self._store, self._count = store, 0
        self._random = Random(f"fleet {cluster.network.seed}")

    def start(self, slot: str) -> None:
        """Start a slot's process."""
        self.wanted.add(slot)
        if slot in self.running:
            return
        self._count += 1
        life = self.running[slot] = Life(slot, Process(f"{slot}#{self._count}"))
        self.kernel.spawn(life.process, partial(self._live, life))

    def kill(self, life: Life) -> None:
        """Kill a process; it is started again."""
        self.cluster.network.gone(life.process)
        self._ended(life)
        self.kernel.kill(life.process)

    def stop(self, slot: str) -> None:
        """Ask a process to leave, as SIGTERM does."""
        life = self.running.get(slot)
        if life is not None:
            self._end(life)

    def ask_to_leave(self, life: Life) -> None:
        """Ask any process, a zombie, too, unless it cannot hear it: that is not kept for it."""
        if not life.process.frozen and not life.is_stopping:
            self._end(life)

    def freeze(self, life: Life, *, replaced: bool) -> None:
        """Stop a process, as SIGSTOP does; it may be replaced by another one of its slot."""
        life.process.frozen = True
        if replaced and self.running.get(life.slot) is life:
            del self.running[life.slot]
            self.zombies.append(life)
            self.kernel.after(_RESTART_S, partial(self._again, life.slot))

    def thaw(self, life: Life) -> None:
        """Let a frozen process go on."""
        if life.process.frozen:
            random = self._random
            self.kernel.thaw(life.process, lambda: random.choice((0.0, 0.0, random.uniform(0, _LAG_S))))

    def lives(self) -> list[Life]:
        """Return all processes."""
        return [*self.running.values(), *self.zombies]

    @staticmethod
    def _end(life: Life) -> None:
        life.is_stopping = True
        if life.worker is not None:
            life.worker.stop()

    def _ended(self, life: Life) -> None:
        if life in self.zombies:
            self.zombies.remove(life)
        if self.running.get(life.slot) is life:
            del self.running[life.slot]
            self.kernel.after(_RESTART_S, partial(self._again, life.slot))

    def _again(self, slot: str) -> None:
        if slot in self.wanted:
            self.start(slot)

    def _live(self, life: Life) -> None:
        claims = self._claims(life.process)
        worker = Worker(
            partial(self._session, life, claims),
            claims,
            workspaces=lambda: WORKSPACES,
            topics=TOPICS,
            codecs=_CODECS,
            breaker=Breaker(100, 1_000_000),
        )
        life.worker = worker
        if life.is_stopping:
            worker.stop()
        try:
            worker.run()
        except Fatal as error:
            self.fatal.append(str(error))
        except Exception as error:  # noqa: BLE001  whatever it is, the judge tells it
            self.crash = error
        self.cluster.network.gone(life.process)
        life.process.alive = False
        self._ended(life)

    def _claims(self, process: Process) -> Claims:
        def client(url: str) -> Any:  # noqa: ARG001
            return WorldRedis(self.cluster.network, process, self._store, _STORE_TIMEOUT_S)

        before, store_module.client = store_module.client, client
        try:
            return Claims("redis://world", None, Lifetimes(8, 8), TOPICS.prefix)
        finally:
            store_module.client = before

    def _session(self, life: Life, claims: Claims) -> Session:
        """As `worker_wiring._session`, without the questions about topics."""
        process, settings, timeout_ms = life.process, self.settings, int(self.settings.transaction_s * 1000)
        producer = {
            "transactional.id": f"daymark-{life.slot}",
            "transaction.timeout.ms": timeout_ms,
            "socket.timeout.ms": timeout_ms - 500,
        }
        member = {"group.id": "daymark", **settings.membership}
        if settings.is_static:
            member["group.instance.id"] = life.slot
        parts: dict[str, Any] = {"process": process, "cluster": self.cluster}
        make_consumer: Callable[..., Any] = partial(WorldConsumer, topic=TOPICS.events, **parts)
        make_producer: Callable[..., Any] = partial(WorldProducer, **parts)
        budget_s = settings.transaction_s * 2 / 3
        sink = Sink(producer, TOPICS.events, budget_s, make_producer, note=claims.note, backfill=TOPICS.backfill)
        read: Callable[..., Any] = partial(WorldReader, topic=TOPICS.backfill, **parts)
        lane = Lane(member, TOPICS.backfill, lambda: b"lane", read) if settings.has_lane else None
        source = Source(member, TOPICS.events, _MOST, lambda: b"mark", make_consumer, lane=lane)
        try:
            if not claims.met:
                claims.introduce("world", None, None)
                with suppress(ClaimsAway):
                    claims.meet()
            sink.poll()
            source.join()
        except BaseException:
            source.close()
            sink.close()
            raise
        return Session(source, sink)


def aside(kernel: Kernel) -> Callable[[Callable[[], Any]], Any]:
    """Return the world's `processor.aside.aside`: a thread of the process that calls it."""

    class Outcome(Future[Any]):
        event = Event()

        def result(self, timeout: float | None = None) -> Any:
            if not kernel.wait(self.event, timeout):
                raise TimeoutError
            return super().result(0)

    def start(call: Callable[[], Any]) -> Any:
        outcome = Outcome()
        outcome.event = Event()

        def make() -> None:
            try:
                outcome.set_result(call())
            except Exception as error:  # noqa: BLE001  the waiting thread raises it
                outcome.set_exception(error)
            kernel.set(outcome.event)

        process = kernel.process
        assert process is not None
        kernel.spawn(process, make)
        return outcome

    return start


def enter(kernel: Kernel) -> Callable[[], None]:
    """Let the product start its threads in a world; return what undoes that."""
    before = getattr(sink_module, "aside")  # noqa: B009
    setattr(sink_module, "aside", aside(kernel))  # noqa: B010

    def undo() -> None:
        setattr(sink_module, "aside", before)  # noqa: B010

    return undo
