"""Workers of one group over one fake Kafka and one fake Redis: who runs, who was taken for dead, who crashed."""

from collections.abc import Callable
from itertools import count
from typing import Final, NamedTuple

from processor.breaker import Breaker
from processor.outputs import Codecs
from processor.ports import ClaimsPort, Session
from processor.worker import Worker
from schemas import avro
from schemas.topics import Topics
from tests.fake_kafka import FakeKafka
from tests.fake_redis import FakeRedis
from tests.fakes import FakeClaims, FakeSink, FakeSource
from tests.model.actor import Actor
from tests.model.events import WORKSPACES
from tests.turns import Answer, Turns

SLOTS: Final = ("a", "b")
PARTITIONS: Final = 3
TOPICS: Final = Topics("t.")

_CODECS = Codecs(avro.INTERACTION, avro.TRAIT, avro.REJECTED)
_MOST_CALLS = 5_000  # that a fleet takes to come to its end; it is a few hundred


class Parts(NamedTuple):
    """What workers are made of; tests put broken ones in."""

    source: Callable[[FakeKafka, Turns], FakeSource] = FakeSource
    sink: Callable[[FakeKafka, Turns, str], FakeSink] = FakeSink
    claims: Callable[[FakeRedis, Turns], ClaimsPort] = FakeClaims


class Life:
    """One process of a slot, from its start to its end."""

    def __init__(self, slot: str, kafka: FakeKafka, redis: FakeRedis, parts: Parts) -> None:
        self.slot = slot
        self._kafka, self._redis, self._parts = kafka, redis, parts
        self._source: FakeSource | None = None
        self._worker: Worker | None = None
        self.actor = Actor(self._work)

    @property
    def member(self) -> str | None:
        """Who it is in the group, None before it joined."""
        return self._source.member if self._source else None

    @property
    def call(self) -> str:
        """What it is about to do."""
        return self.actor.call or ""

    def stop(self) -> None:
        """Ask it to leave, as SIGTERM does."""
        if self._worker:
            self._worker.stop()

    def _work(self, turns: Turns) -> None:
        def open_session() -> Session:
            self._meet(turns, "open")
            sink = self._parts.sink(self._kafka, turns, self.slot)
            self._source = self._parts.source(self._kafka, turns)
            return Session(self._source, sink)

        ticks = count(0, 400)  # seconds: no two sessions are lost within the time that makes it fatal
        self._worker = Worker(
            open_session,
            self._parts.claims(self._redis, turns),
            workspaces=lambda: WORKSPACES,
            topics=TOPICS,
            codecs=_CODECS,
            breaker=Breaker(100, 1, clock=lambda: 0.0),
            clock=lambda: next(ticks),
            sleep=lambda _: None,
        )
        self._worker.run()

    @staticmethod
    def _meet(turns: Turns, call: str) -> None:
        if fault := turns.next(call).fault:
            raise fault


class Fleet:
    """At most one process a slot, and those that were replaced and live on: zombies."""

    def __init__(self, parts: Parts) -> None:
        self.kafka, self.redis = FakeKafka(PARTITIONS, lane=True), FakeRedis()
        self.zombies: list[Life] = []
        self._parts = parts
        self._running: dict[str, Life] = {}

    def life(self, slot: str) -> Life:
        """Return the process of a slot, started if there is none: somebody always starts it again."""
        if slot not in self._running:
            self._running[slot] = Life(slot, self.kafka, self.redis, self._parts)
        return self._running[slot]

    def is_running(self, slot: str) -> bool:
        return slot in self._running

    def go_on(self, life: Life, answer: Answer = Answer()) -> bool:  # noqa: B008  a frozen value
        """Let a process make its call; return whether it still runs.

        Raises:
            AssertionError: it came to an end that nobody asked for.
        """
        if life.actor.call is not None:
            life.actor.go_on(answer)
        if life.actor.error is not None:
            raise AssertionError(f"worker {life.slot} failed: {life.actor.error!r}") from life.actor.error
        if life.actor.call is None:
            self._forget(life)
        return life.actor.call is not None

    def crash(self, life: Life) -> None:
        """End a process silently at the call that it was about to make."""
        life.actor.crash()
        self._forget(life)

    def freeze(self, slot: str) -> None:
        """Replace a process that does not answer; it may go on one day."""
        if life := self._running.pop(slot, None):
            self.zombies.append(life)

    def crash_all(self) -> None:
        for life in [*self._running.values(), *self.zombies]:
            self.crash(life)

    def bury(self) -> None:
        """Let the sessions and transactions of those who are no more end by their time-outs."""
        living = {life.member for life in [*self._running.values(), *self.zombies]}
        for member in [member for member in self.kafka.group.members if member not in living]:
            self.kafka.group.drop(member)
        for slot in SLOTS:
            if slot not in self._running:
                self.kafka.time_out(slot)

    def run_dry(self, after_each: Callable[[], None]) -> None:
        """Let all go on in turn until everything is committed, then leave."""
        calls = 0
        while any(self.kafka.committed.get(p, 0) < len(records) for p, records in self.kafka.records.items()):
            for slot in SLOTS:
                self.go_on(self.life(slot))
                after_each()
            self.bury()
            calls += len(SLOTS)
            assert calls < _MOST_CALLS, "the workers come to no end"
        for life in list(self._running.values()):
            life.stop()
            while self.go_on(life):
                after_each()

    def _forget(self, life: Life) -> None:
        self.zombies = [zombie for zombie in self.zombies if zombie is not life]
        if self._running.get(life.slot) is life:
            del self._running[life.slot]
