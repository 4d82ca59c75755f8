"""A delivery without Kafka. The e-mail of an event says what becomes of it: `late@…`, `failed@…`, `full@…`."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ingest.delivery import Done, Outcome, Readiness, Record
from ingest.quota import Quota
from schemas import avro
from schemas.headers import Headers

SLOW_SECONDS = 0.5
OUTCOMES = {outcome.value: outcome for outcome in Outcome}


class FakeDelivery:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.readiness = Readiness(ready=True, reason="")
        self.failure: str | None = None
        self.room = True
        self.queue = Quota(50_000, 64 << 20)  # of what is reserved, and of what waits at the gate
        self.published: list[Record] = []
        self.headers: list[Headers] = []
        self.rejected: list[dict[str, Any]] = []
        self.gated = False
        self._waiting: list[Callable[[], None]] = []

    def has_room(self, workspace: str) -> bool:
        return self.room

    def reserve(self, workspace: str, messages: int, size: int) -> bool:
        fits = self.queue.fits(workspace, messages, size)
        if fits:
            self.queue.take(workspace, messages, size)
        return fits

    def release(self, workspace: str, messages: int, size: int) -> None:
        self.queue.give(workspace, messages, size)

    def publish(self, workspace: str, records: Sequence[Record], headers: Headers, deadline: float, done: Done) -> None:
        wish = records[0][0].partition(b"@")[0].decode()
        if wish == "full" or not self.readiness.ready:
            done(Outcome.FULL if self.readiness.ready else Outcome.UNREADY)
            return
        self.published += records
        self.headers += [headers] * len(records)
        loop, outcome = asyncio.get_running_loop(), OUTCOMES.get(wish, Outcome.DELIVERED)
        if wish == "late":
            loop.call_at(deadline, done, outcome)
        elif wish == "slow":
            loop.call_later(SLOW_SECONDS, done, outcome)
        elif wish == "broken":
            raise RuntimeError("a fault in the code")
        elif self.gated:
            self._waiting.append(partial(self._give, workspace, len(records), done, outcome))
            self.queue.take(workspace, len(records), 0)
        else:
            done(outcome)

    def _give(self, workspace: str, messages: int, done: Done, outcome: Outcome) -> None:
        self.queue.give(workspace, messages, 0)
        done(outcome)

    def open_gate(self) -> None:
        """Deliver what waits."""
        waiting, self.gated, self._waiting = self._waiting, False, []
        for done in waiting:
            done()

    def reject(self, workspace: str, values: Sequence[bytes]) -> None:
        self.rejected += [avro.decode(value)[1] for value in values]

    async def close(self, seconds: float) -> None:
        """Nothing is in flight once `publish` returned."""
