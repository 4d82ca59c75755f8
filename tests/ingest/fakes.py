"""A delivery without Kafka. The e-mail of an event says what becomes of it: `late@…`, `failed@…`, `full@…`."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ingest.delivery import Done, Headers, Outcome, Readiness, Record
from schemas import avro

SLOW_SECONDS = 0.5
OUTCOMES = {outcome.value: outcome for outcome in Outcome}


class FakeDelivery:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.readiness = Readiness(ready=True, reason="")
        self.failure: str | None = None
        self.room = True
        self.published: list[Record] = []
        self.headers: list[Headers] = []
        self.rejected: list[dict[str, Any]] = []
        self.gated = False
        self._waiting: list[Callable[[], None]] = []

    def has_room(self, workspace: str) -> bool:
        return self.room

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
            self._waiting.append(partial(done, outcome))
        else:
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
