"""A Redis in memory, as far as claims go: it may be away or full for a while, and lose its newest writes."""

from collections.abc import Callable, Mapping
from typing import Any

from processor.decide import ContactDay
from processor.errors import ClaimsAway
from processor.ports import Claimed
from processor.traits import Clock, Property


class FakeRedis:
    """Day keys and clocks, every write with what was there before: a replica may take over that lags behind."""

    def __init__(self) -> None:
        self.held: dict[ContactDay, bytes] = {}
        self.clocks: dict[Property, Clock] = {}
        self.troubles = list[ClaimsAway]()  # what the next questions meet
        self.on_their_way: list[Callable[[], object]] = []
        self._writes: list[tuple[dict[Any, Any], Any, Any]] = []

    def ask(self, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        holders = [self._claim(day, owner) for day, owner in owners.items()]
        return Claimed(holders, [self._move(of, clock) for of, clock in clocks.items()])

    def fail_over(self, lost: int) -> bool:
        """Lose the newest writes, and say whether there were any."""
        writes, self._writes = self._writes[::-1][:lost], self._writes[: max(len(self._writes) - lost, 0)]
        for there, key, before in writes:
            if before is None:
                there.pop(key, None)
            else:
                there[key] = before
        return bool(writes)

    def _claim(self, day: ContactDay, owner: bytes) -> bytes | None:
        holder = self.held.get(day)
        if holder is None:
            self._write(self.held, day, owner)
        return holder

    def _move(self, of: Property, clock: Clock) -> Clock | None:
        before = self.clocks.get(of)
        if not clock.is_stale(before):
            self._write(self.clocks, of, clock)
        return before

    def _write(self, there: dict[Any, Any], key: Any, value: Any) -> None:
        self._writes.append((there, key, there.get(key)))
        there[key] = value
