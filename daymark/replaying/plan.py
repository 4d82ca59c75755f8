"""What a replay would do: for each partition the group's offset, the new offset, and what lies between. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from daymark import instant
from daymark.replaying.rate import Rate
from daymark.replaying.start import Earliest, Place, Since, Start
from schemas import lanes


class Unsafe(Exception):
    """A replay that would skip events, or begin at a deleted one."""


class Part(msgspec.Struct, frozen=True):
    """One partition of segment.events, or of segment.backfill: by its number of `schemas.lanes`.

    Attributes:
        first: its first offset; earlier records are deleted.
        stands: the group's offset; None: it has none, and begins at the first.
        goal: the end of the replay: the group's offset, or that of --to.
        target: the group's new offset.
        again: the number of offsets from there to the group's.
        expired: how many of these are older than a claim's lifetime: their days are decided anew.
        oldest_ms: timestamp of the first record to be read again, in epoch milliseconds; None: there is none.
    """

    partition: int
    first: int
    end: int
    stands: int | None
    target: int | None
    again: int
    expired: int = 0
    oldest_ms: int | None = None
    goal: int = 0

    @property
    def awaited(self) -> int:
        """The number of offsets to replay."""
        return 0 if self.target is None else self.goal - self.target

    def left(self, now: int | None) -> int:
        """Return how many of them are left once the group has reached an offset."""
        return min(self.awaited, max(0, self.goal - (now or 0)))


class Ground(msgspec.Struct, frozen=True):
    """What is known of a partition: its bounds, the group's offset, the offsets of two instants (None: behind all).

    `since` is that of the instant at which the replay begins, `until` that of the instant before which it is of
    interest, `alive` that from which on claims are alive.
    """

    first: int
    end: int
    stands: int | None
    since: int | None = None
    alive: int | None = None
    until: int | None = None


class Plan(msgspec.Struct, frozen=True):
    """All partitions, in order."""

    parts: tuple[Part, ...]

    @property
    def moved(self) -> Mapping[int, Part]:
        """The partitions in which the group would be reset."""
        return {part.partition: part for part in self.parts if part.again}

    @property
    def again(self) -> int:
        """The number of offsets that would be read again."""
        return sum(part.again for part in self.parts)

    @property
    def awaited(self) -> int:
        """The number of offsets to replay."""
        return sum(part.awaited for part in self.parts)

    @property
    def expired(self) -> int:
        """The number of them that are older than a claim's lifetime."""
        return sum(part.expired for part in self.parts)

    @property
    def oldest_ms(self) -> int | None:
        """The timestamp of the oldest of them."""
        return min((part.oldest_ms for part in self.parts if part.oldest_ms is not None), default=None)


def plan(starts: Sequence[Start], ground: Mapping[int, Ground]) -> Plan:
    """Return what a replay would do.

    Args:
        starts: one Earliest or Since, or offsets of several partitions.
        ground: of every partition.

    Raises:
        Unsafe: it must not begin there.
    """
    places = {start.partition: start.offset for start in starts if isinstance(start, Place)}
    if missing := places.keys() - ground.keys():
        raise Unsafe(f"there is no partition {lanes.name(min(missing))} among those that are replayed")
    everywhere = next((start for start in starts if not isinstance(start, Place)), None)
    return Plan(tuple(_part(number, ground[number], everywhere, places) for number in sorted(ground)))


class Manner(NamedTuple):
    """How is replayed: under new claims; without the events of segment.backfill, though there are some."""

    is_fresh: bool = False
    leaves_lane: bool = False


def lines(planned: Plan, group: str, claim_days: int, rate: Rate | None, manner: Manner) -> Iterator[str]:
    """Yield a plan as lines for a person; `rate` is that of its events, None where there are none to wait for."""
    has_lane = any(lanes.is_backfill(part.partition) for part in planned.parts)
    yield f"{'partition':>11}  {'begins at':>12}  {group + ' is at':>16}  {'would be at':>12}  {'replayed':>12}  from"
    for part in planned.parts:
        stands = "-" if part.stands is None else f"{part.stands:,}"
        target = stands if part.target is None else f"{part.target:,}"
        oldest = "" if part.oldest_ms is None else instant.shown(part.oldest_ms)
        name = lanes.name(part.partition)
        yield f"{name:>11}  {part.first:>12,}  {stands:>16}  {target:>12}  {part.again:>12,}  {oldest}"
    if rate is None:
        yield f"{planned.again:,} events would be replayed."
    else:
        duration = instant.lasting(planned.awaited / rate.events_per_s)
        yield f"{planned.again:,} events would be replayed, in about {duration} at {rate}."
    if beyond := planned.again - planned.awaited:
        yield f"{beyond:,} of them lie behind --to: workers process them again, too, but they are not waited for."
    if gone := sum(part.first for part in planned.parts):
        yield f"Retention has deleted the first {gone:,} events: they cannot be replayed."
    if manner.leaves_lane:
        yield "Events of segment.backfill are not replayed (--lane): the days that they won are not emitted again."
    if manner.is_fresh:
        yield "All are evaluated again under the current rules, as if no day had been claimed."
        return
    yield "Their results are emitted again, with the same bytes under the same keys; duplicates stay duplicates."
    if planned.expired:
        yield (
            f"{planned.expired:,} are older than claims live ({claim_days} days): their days are judged again. "
            "Where a day's winner lies before the beginning, a later event wins it, under the same interaction_id."
        )
        if has_lane or manner.leaves_lane:
            yield "Where a backfilled event had won such a day, a live one wins it now: live events go first."


def _part(number: int, ground: Ground, everywhere: Start | None, places: Mapping[int, int]) -> Part:
    stands = ground.stands
    target = _target(number, ground, everywhere, places)
    goal = stands if stands is None or ground.until is None else min(stands, ground.until)
    if target is None or stands is None or goal is None or target >= goal:
        return Part(number, ground.first, ground.end, stands, None, 0)
    alive = ground.end if ground.alive is None else ground.alive
    expired = max(0, min(alive, stands) - target)
    return Part(number, ground.first, ground.end, stands, target, stands - target, expired, goal=goal)


def _target(number: int, ground: Ground, everywhere: Start | None, places: Mapping[int, int]) -> int | None:
    """Return the group's new offset in a partition; None: unchanged. Never beyond the current one."""
    stands = ground.stands
    if stands is None:
        return None
    match everywhere:
        case Earliest():
            target = ground.first
        case Since():
            target = ground.end if ground.since is None else ground.since
        case _ if number not in places:
            return None
        case _:
            target = places[number]
            if target > stands:
                raise Unsafe(
                    f"{lanes.place(number, target)} is ahead of the group's offset, {stands}: events would be skipped"
                )
            if target < ground.first:
                raise Unsafe(
                    f"{lanes.place(number, target)} is deleted; partition {lanes.name(number)} begins at {ground.first}"
                )
    return target if target < stands else None


def moved_to(parts: Iterable[Part]) -> dict[int, int]:
    """Return the new offset of each partition that is reset."""
    return {part.partition: part.target for part in parts if part.target is not None}
