"""The operator: replays events as `daymark replay --wait` does, while workers of the group may hang, unheard of.

Workers that can be told to leave are told; once the group has no member and no transaction that moves its offsets is
open, these are set back, and workers are started again, each a little later. One that was frozen all the while knows
nothing of it.
"""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Final

from tests.world.fleet import Fleet, Life
from tests.world.judge import Judge
from tests.world.requests import Refused

_LOOK_S: Final = 0.5
_HANGS: Final = 0.75
_HANGS_S: Final = (8.0, 25.0)
_STARTED_S: Final = 2.0  # within which workers are started again


class Operator:
    """Sets the group's offsets back now and then. `is_busy`: a replay was begun, and nothing is set back yet."""

    def __init__(self, fleet: Fleet, judge: Judge, slots: Sequence[str], random: Random) -> None:
        """Take the workers, who is to know of it, the slots that are started afterwards, and what draws."""
        self._fleet, self._judge, self._slots, self._random = fleet, judge, slots, random
        self.is_busy = False
        self._hung: Life | None = None

    def replay(self) -> None:
        """Begin a replay, unless one is under way; mostly while a worker hangs."""
        if self.is_busy:
            return
        self.is_busy, self._hung = True, None
        if self._random.random() < _HANGS and (lives := self._fleet.lives()):
            self._hung = self._random.choice(lives)
            self._fleet.freeze(self._hung, replaced=False)
            self._thaw(self._random.uniform(*_HANGS_S))
        self._go_on()

    def _thaw(self, in_s: float) -> None:
        if self._hung is not None:
            self._fleet.kernel.after(in_s, partial(self._fleet.thaw, self._hung))

    def _go_on(self) -> None:
        fleet, cluster = self._fleet, self._fleet.cluster
        fleet.wanted.clear()
        for life in fleet.lives():
            fleet.ask_to_leave(life)
        self._judge.look()
        if not self._judge.is_up_to_date:
            fleet.kernel.after(_LOOK_S, self._go_on)
            return
        targets = {at: self._back(offset) for at, offset in cluster.offsets.committed.items()}
        try:
            cluster.set_back(targets)
        except Refused:
            fleet.kernel.after(_LOOK_S, self._go_on)
            return
        self._judge.set_back(targets)
        self.is_busy = False
        for slot in self._slots:
            fleet.kernel.after(self._random.uniform(0, _STARTED_S), partial(fleet.start, slot))
        if self._random.random() < 0.5:
            self._thaw(self._random.uniform(0, _STARTED_S))

    def _back(self, offset: int) -> int:
        return self._random.choice([offset, max(offset - self._random.randrange(50), 0), 0])
