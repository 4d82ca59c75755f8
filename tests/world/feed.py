"""The raw events of a world: live ones, and in some worlds those of a backfill beside them.

Live events come in a burst in some phases and while partitions move, and seldom else. A backfill is loaded in bursts,
too, most of them at the same moments: of contacts that are seen now, were seen before, or will be.
"""

from collections.abc import Callable
from random import Random
from typing import Final

from schemas.lanes import BACKFILL
from tests.model.events import Event, catalogue
from tests.world.cluster import Cluster
from tests.world.judge import Judge
from tests.world.kernel import EPOCH_S
from tests.world.schedule import BUSY_S, MOVING_S, PHASE_S

_FRESH_S: Final = 4.0  # between contacts that nobody has seen
_MOMENT_S: Final = 0.1
_OLDEST: Final = 20  # contacts ago, of a backfill
_DAYS: Final = (0, 0, 0, 1, 2)  # before those of live events


class Feed:
    """Appends raw events until an instant."""

    def __init__(self, cluster: Cluster, judge: Judge, seed: int, until_s: float, *, lane: bool) -> None:
        """Take where events go, and who is to know of them; `lane`: a backfill is loaded, too."""
        self._cluster, self._kernel, self._judge = cluster, cluster.kernel, judge
        self._live, self._slow, self._until_s = Random(f"events {seed}"), Random(f"backfill {seed}"), until_s
        self._lag_s = self._slow.choice([0.0, 0.0, 2.0, self._slow.uniform(0, PHASE_S)])  # of loads behind live bursts
        self._kernel.after(0.5, self._await_live)
        if lane:
            self._kernel.after(0.5, self._await_slow)

    def _await_live(self) -> None:
        self._wait(self._live, self._kernel.now, self._append_live, self._await_live)

    def _await_slow(self) -> None:
        self._wait(self._slow, self._kernel.now - self._lag_s, self._append_slow, self._await_slow)

    def _wait(self, random: Random, phase_s: float, append: Callable[[], None], again: Callable[[], None]) -> None:
        """Wait for the next event. Such a wait has no memory: it may be cut, to see whether partitions move."""
        is_busy = phase_s % PHASE_S < BUSY_S or self._kernel.now - self._cluster.moves_since_s < MOVING_S
        wait_s = random.expovariate(20.0 if is_busy else 0.5)
        self._kernel.after(min(wait_s, _MOMENT_S), append if wait_s < _MOMENT_S else again)

    def _append_live(self) -> None:
        if self._kernel.now >= self._until_s:
            return
        for _ in range(self._live.choice([1, 1, 2, 5])):
            drawn = self._live.choice(catalogue())
            age = min(int(self._live.expovariate(1.0)), 3)  # of a contact: most events are of those that are new
            self._append(drawn._replace(contact=self._contact(drawn, age)), 0)
        self._await_live()

    def _append_slow(self) -> None:
        if self._kernel.now >= self._until_s:
            return
        random = self._slow
        for _ in range(random.choice([1, 1, 2, 5])):
            drawn = random.choice(catalogue())
            age = min(int(random.expovariate(1.0)), 3) - 1 if random.random() < 0.7 else random.randrange(_OLDEST)
            hour = drawn.hour - 24 * random.choice(_DAYS)
            self._append(drawn._replace(contact=self._contact(drawn, age), hour=hour), BACKFILL)
        self._await_slow()

    def _contact(self, drawn: Event, age: int) -> str:
        return f"{drawn.contact}{int(self._kernel.now / _FRESH_S) - age}"

    def _append(self, event: Event, base: int) -> None:
        partition = base + sum(f"{event.workspace}{event.email}".encode()) % self._cluster.partitions
        raw = self._cluster.append(partition, event.body, event.workspace, int((EPOCH_S + self._kernel.now) * 1000))
        self._judge.append(raw, event)
