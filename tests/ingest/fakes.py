"""A delivery without Kafka. The e-mail of an event says what becomes of it: `late@…`, `failed@…`, `full@…`."""

import asyncio
from collections.abc import Sequence
from typing import Any

from ingest.delivery import Headers, Outcome, Readiness, Record
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
        self.gate: asyncio.Event | None = None

    def has_room(self, workspace: str) -> bool:
        return self.room

    async def publish(self, workspace: str, records: Sequence[Record], headers: Headers, deadline: float) -> Outcome:
        if not self.readiness.ready:
            return Outcome.UNREADY
        wish = records[0][0].partition(b"@")[0].decode()
        if wish == "full":
            return Outcome.FULL
        self.published += records
        self.headers += [headers] * len(records)
        if wish == "late":
            await asyncio.sleep(max(0.0, deadline - asyncio.get_running_loop().time()))
        if wish == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if wish == "broken":
            raise RuntimeError("a fault in the code")
        if self.gate is not None:
            await self.gate.wait()
        return OUTCOMES.get(wish, Outcome.DELIVERED)

    def reject(self, workspace: str, values: Sequence[bytes]) -> None:
        self.rejected += [avro.decode(value)[1] for value in values]

    async def close(self, seconds: float) -> None:
        """Nothing is in flight once `publish` returned."""
