"""Every state that the protocol can reach, breadth first: a promise that is broken is told by its shortest story."""

from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

from tests.protocol.steps import Model
from tests.protocol.world import Left, World


class Found(NamedTuple):
    """What a search found: how many states there are, and the story of the first broken promise, "" for none."""

    states: int
    broken: str = ""
    story: tuple[str, ...] = ()


def search(model: Model, left: Left) -> Found:
    """Look at every state that can be reached with so many faults.

    Promised of every state: no contact-day has two interactions, but one more for each loss of the store's keys; and
    without further faults the workers can come to an end. Of every state in which nobody has anything left to do:
    everything is committed, and each contact-day has one.
    """
    start = model.start(left)
    before: dict[World, tuple[World, str] | None] = {start: None}
    led_by: dict[World, list[World]] = {}  # by the workers alone
    waiting, ends = deque([start]), list[World]()
    while waiting:
        world = waiting.popleft()
        own, undone = [*model.own(world), *model.arrivals(world)], _undone(model, world)
        if broken := _doubled(model, world, left.lossy) or ("" if own else undone):
            return Found(len(before), broken, _story(before, world))
        if not undone:
            ends.append(world)
        for _, after in own:
            led_by.setdefault(after, []).append(world)
        for what, after in [*own, *model.faults(world)]:
            if after not in before:
                before[after] = (world, what)
                waiting.append(after)
    if endless := _endless(before, led_by, ends):
        return Found(len(before), "the workers come to no end", _story(before, endless))
    return Found(len(before))


def _endless(states: Iterable[World], led_by: dict[World, list[World]], ends: list[World]) -> World | None:
    """Return the first state from which no end can be reached; None: there is none."""
    ending, waiting = set(ends), ends
    while waiting:
        for world in led_by.get(waiting.pop(), ()):
            if world not in ending:
                ending.add(world)
                waiting.append(world)
    return next((world for world in states if world not in ending), None)


def _doubled(model: Model, world: World, losses: int) -> str:
    emitted = Counter(model.days[partition][offset] for partition, offset in world.emitted)
    return "".join(
        f"contact-day {day} has {count} interactions" for day, count in emitted.items() if count > 1 + losses
    )


def _undone(model: Model, world: World) -> str:
    if any(offset < len(days) for offset, days in zip(world.committed, model.days, strict=True)):
        return f"nobody goes on, and offsets {world.committed} are committed"
    emitted = {model.days[partition][offset] for partition, offset in world.emitted}
    lost = {day for days in model.days for day in days} - emitted
    return f"everything is committed, and contact-day {min(lost)} has no interaction" if lost else ""


def _story(before: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    story = []
    while found := before[world]:
        world, what = found
        story.append(what)
    return tuple(reversed(story))
