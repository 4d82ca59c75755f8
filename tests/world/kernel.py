"""Virtual time, and who runs when: one greenlet at a time, in an order that the seed alone decides.

The world's own parts are callbacks in one heap of instants. A worker, and each thread of its drivers, is a task: its
blocking calls park it until something wakes it. A process owns tasks and timers: killed, none of them goes on; frozen,
all of them wait until it is thawed. Nothing here knows of Kafka or of a store.
"""

import heapq
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from greenlet import greenlet

EPOCH_S: Final = 1_600_000_000.0  # of the world's wall clock; after every event of `tests.model.events`
_real_time, _real_monotonic, _real_sleep = time.time, time.monotonic, time.sleep


class Killed(BaseException):
    """The process is no more: nothing that it would still do takes effect."""


class Process:
    """A process of the world. `skew_s`: how far its wall clock is off."""

    def __init__(self, name: str) -> None:
        self.name, self.alive, self.frozen, self.skew_s = name, True, False, 0.0
        self.tasks: list[Task] = []
        self.backlog: list[Callable[[], None]] = []  # what came due while it was frozen


class Task(greenlet):  # type: ignore[misc]  # it has no types
    """A thread of a process."""

    process: Process
    turn: int = 0  # how often it was parked: an older wake-up is none


class Event:
    """Something that tasks wait for."""

    __slots__ = ("is_set", "waiting")

    def __init__(self) -> None:
        self.is_set = False
        self.waiting: list[tuple[Task, int]] = []


class Kernel:
    """The clock and the scheduler of one world."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self._heap: list[tuple[float, int, Process | None, Callable[[], None]]] = []
        self._hub: Any = None
        self._running: Task | None = None

    def after(self, seconds: float, call: Callable[[], None], owner: Process | None = None) -> None:
        """Call something later; for an owner, only if it lives, and once it is not frozen."""
        self.steps += 1
        heapq.heappush(self._heap, (self.now + seconds, self.steps, owner, call))

    def run(self, until: float) -> None:
        """Let everything happen up to an instant."""
        self._hub = greenlet.getcurrent()
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, owner, call = heapq.heappop(heap)
            if owner is not None:
                if not owner.alive:
                    continue
                if owner.frozen:
                    owner.backlog.append(call)
                    continue
            call()
        self.now = max(self.now, until)

    # Processes.

    def spawn(self, process: Process, body: Callable[[], object]) -> None:
        """Start a thread of a process."""
        task = Task(partial(self._life, body))
        task.process = process
        process.tasks.append(task)
        self.after(0, partial(self._switch, task), process)

    def kill(self, process: Process) -> None:
        """End a process where it is. Called by one of its own tasks, that ends here."""
        process.alive = False
        running = self._running
        for task in process.tasks[:]:
            if task is not running and task:  # has begun, and not ended
                task.parent, self._running = greenlet.getcurrent(), task
                task.throw(Killed)
        self._running = running
        process.tasks.clear()
        if self._running is not None and self._running.process is process:
            raise Killed

    def thaw(self, process: Process, lag_s: Callable[[], float]) -> None:
        """Let a frozen process go on: what came due meanwhile happens now, some of its threads a little behind."""
        process.frozen = False
        backlog, process.backlog = process.backlog, []
        for call in backlog:
            self.after(lag_s(), call, process)

    @property
    def process(self) -> Process | None:
        """The process that runs now; None: the world itself."""
        return self._running.process if self._running is not None else None

    # What a task may call.

    def sleep(self, seconds: float) -> None:
        """Park the running task for some seconds."""
        self._park(max(seconds, 0.0))

    def wait(self, event: Event, seconds: float | None = None) -> bool:
        """Park the running task until something happens; return whether it did, within some seconds."""
        if not event.is_set and seconds != 0:
            task = self._task()
            event.waiting.append((task, task.turn + 1))
            self._park(seconds)
        return event.is_set

    def set(self, event: Event) -> None:
        """Let something happen."""
        event.is_set = True
        waiting, event.waiting = event.waiting, []
        for task, turn in waiting:
            self.after(0, partial(self._wake, task, turn), task.process)

    def _park(self, seconds: float | None) -> None:
        task = self._task()
        if not task.process.alive:
            raise Killed
        task.turn += 1
        if seconds is not None:
            self.after(seconds, partial(self._wake, task, task.turn), task.process)
        self._hub.switch()
        if not task.process.alive:
            raise Killed

    def _wake(self, task: Task, turn: int) -> None:
        if task.turn == turn:
            self._switch(task)

    def _switch(self, task: Task) -> None:
        if task.dead:
            return
        task.turn += 1
        task.parent = self._hub
        self._running = task
        try:
            task.switch()
        finally:
            self._running = None

    def _task(self) -> Task:
        assert self._running is not None, "the world itself never waits"
        return self._running

    @staticmethod
    def _life(body: Callable[[], object]) -> None:
        with suppress(Killed):
            body()


def rule_time(kernel: Kernel) -> Callable[[], None]:
    """Let the module `time` tell a world's time, and return what undoes that."""

    def wall() -> float:
        process = kernel.process
        return EPOCH_S + kernel.now + (process.skew_s if process else 0.0)

    replaced = {"time": wall, "monotonic": lambda: kernel.now, "sleep": kernel.sleep}
    for name, call in replaced.items():
        setattr(_clocks, name, call)

    def undo() -> None:
        _clocks.time, _clocks.monotonic, _clocks.sleep = _real_time, _real_monotonic, _real_sleep

    return undo


class _Clocks:
    """What the module `time` calls: product code takes its functions as defaults, once, when it is loaded."""

    time: Callable[[], float] = staticmethod(_real_time)
    monotonic: Callable[[], float] = staticmethod(_real_monotonic)
    sleep: Callable[[float], None] = staticmethod(_real_sleep)


_clocks = _Clocks()


def replace_clocks() -> None:
    """Put the world's clocks into the module `time`. To be called before any of the product is loaded."""
    for name in ("time", "monotonic", "sleep"):
        setattr(time, name, partial(_call, name))


def _call(name: str, *arguments: float) -> Any:
    return getattr(_clocks, name)(*arguments)


real_monotonic: Final = time.perf_counter
