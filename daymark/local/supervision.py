"""Keeps parts running: a part that dies is reported and restarted, with exponential back-off while it dies young.

Owns: when a part is started again. Does not: know what a part is, nor stop any; one that others stop is held.
Invariant: one part's trouble never ends another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from daymark.backoff import Backoff
from daymark.local.faults import LocalFault


class Part(Protocol):
    """What can be kept running: a Kafka, a Valkey, a Program."""

    name: str

    @property
    def dead(self) -> bool:
        """Whether it was started and has ended."""

    @property
    def ending(self) -> str:
        """How it ended: its exit status or signal."""

    @property
    def log(self) -> Path:
        """Where its output goes."""

    def launch(self) -> None:
        """Start what does not run; don't wait for it."""

    def wait_ready(self) -> None:
        """Return when it is ready; raise LocalFault when it will not be."""


def start(parts: Sequence[Part]) -> None:
    """Start parts side by side and return when all are ready.

    Raises:
        LocalFault: One does not start.
    """
    for part in parts:
        part.launch()
    for part in parts:
        part.wait_ready()


@dataclass(slots=True)
class _Life:
    started_at: float
    due: float | None = None  # of the next start; None: not dead, as far as was seen
    is_held: bool = False  # stopped on purpose
    backoff: Backoff = field(default_factory=Backoff)


class Supervision:
    """Watches parts that were started; `look` is one look at them all."""

    def __init__(self, parts: Sequence[Part], say: Callable[[str], None], clock: Callable[[], float]) -> None:
        """Begin to watch.

        Args:
            parts: Were started.
            say: Told in a sentence what happens to a part.
            clock: Seconds of any origin that never go back.
        """
        self._parts = parts
        self._say = say
        self._clock = clock
        self._lives = {part.name: _Life(clock()) for part in parts}

    def hold(self, part: Part) -> None:
        """Leave a part alone that is about to be stopped on purpose."""
        self._lives[part.name].is_held = True

    def release(self, part: Part) -> None:
        """Start a part again at the next look, and keep it running."""
        life = self._lives[part.name]
        life.is_held, life.due = False, self._clock()

    def look(self) -> None:
        """Say which parts have died, and start those whose pause is over."""
        for part in self._parts:
            life = self._lives[part.name]
            if life.is_held:
                continue
            if part.dead and life.due is None:
                self._plan(part, life)
            elif life.due is not None and self._clock() >= life.due:
                self._start(part, life)

    def _plan(self, part: Part, life: _Life) -> None:
        now = self._clock()
        pause = life.backoff.pause(now - life.started_at)
        life.due = now + pause
        self._say(f"{part.name} has ended ({part.ending}); restarting it in {pause:g} s. Its log: {part.log}")

    def _start(self, part: Part, life: _Life) -> None:
        life.started_at, life.due = self._clock(), None
        try:
            part.launch()
            part.wait_ready()
        except LocalFault as fault:
            self._say(fault.message)
        else:
            self._say(f"{part.name} is running again")
