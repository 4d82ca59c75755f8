"""The operator: replays events as `daymark replay --wait` does, while workers of the group may hang, unheard of.

Workers that can be told to leave are told; once the group has no member and no transaction that moves its offsets is
open, these are set back, and workers are started again. One that was frozen all the while knows nothing of it.
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from tests.world.fleet import Fleet
from tests.world.judge import Judge
from tests.world.requests import Refused

_LOOK_S: Final = 0.5
_HANGS_S: Final = (8.0, 25.0)


class Operator:
    """Sets the group's offsets back now and then."""

    def __init__(self, fleet: Fleet, judge: Judge, slots: Sequence[str], random: Random) -> None:
        """Take the workers, who is to know of it, the slots that are started afterwards, and what draws."""
        self._fleet, self._judge, self._slots, self._random = fleet, judge, slots, random
        self._is_busy = False

    def replay(self) -> None:
        """Begin a replay, unless one is under way; in half of the cases a worker hangs."""
        if self._is_busy:
            return
        self._is_busy = True
        if self._random.random() < 0.5 and (lives := self._fleet.lives()):
            life = self._random.choice(lives)
            self._fleet.freeze(life, replaced=False)
            self._fleet.kernel.after(self._random.uniform(*_HANGS_S), lambda: self._fleet.thaw(life))
        self._go_on()

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
        self._is_busy = False
        for slot in self._slots:
            fleet.start(slot)

    def _back(self, offset: int) -> int:
        return self._random.choice([offset, max(offset - self._random.randrange(50), 0), 0])
