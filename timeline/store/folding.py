"""What changes of properties come to: the newest values, and who entered and left. Pure.

A change older than what is there is stale, as in the contract (section 5); of equally old ones the later wins. Someone
enters when the newest value becomes true, and leaves when it becomes false: a sync that repeats itself moves nobody.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from timeline.store.batches import Change

_HOUR_MS: Final = 3_600_000


class Held(NamedTuple):
    """The newest value of a property, and since when."""

    change: Change
    since_ms: int


class Move(NamedTuple):
    """Somebody entered or left."""

    property_key: str
    contact_key: str
    at_ms: int
    entered: bool


class Folded(NamedTuple):
    """What a batch's changes come to.

    Attributes:
        held: by property key: the newest value; None: it was erased.
        moves: by property key, since the last tombstone, in order.
        members: by workspace, name and kind: how many more are in it.
        changed_at_ms: likewise: the newest change.
        hours: by workspace, name, hour and whether they entered: how many.
    """

    held: dict[str, Held | None]
    moves: dict[str, list[Move]]
    members: Counter[tuple[str, str, str]]
    changed_at_ms: dict[tuple[str, str, str], int]
    hours: Counter[tuple[str, str, int, bool]]


def folded(before: Mapping[str, Held], changes: Iterable[Change]) -> Folded:
    """Return what changes come to, in their order, from what was there before."""
    found = Folded({}, {}, Counter(), {}, Counter())
    for change in changes:
        key = change.property_key
        had = found.held[key] if key in found.held else before.get(key)
        if change.contact_key is None:
            found.held[key] = None
            found.moves.pop(key, None)
            _count(found, had, None)
        elif had is None or change.at_ms >= had.change.at_ms:
            is_same = had is not None and had.change.value == change.value
            now = Held(change, had.since_ms if had is not None and is_same else change.at_ms)
            found.held[key] = now
            _count(found, had, now)
            _move(found, had, change)
    return found


def _count(found: Folded, had: Held | None, now: Held | None) -> None:
    for held, by in ((had, -1), (now, 1)):
        change = held.change if held is not None else None
        if change is not None and change.membership is not None:
            audience = change.workspace, change.name, change.kind
            found.members[audience] += by * change.membership
            found.changed_at_ms[audience] = max(found.changed_at_ms.get(audience, 0), change.at_ms)


def _move(found: Folded, had: Held | None, change: Change) -> None:
    if change.membership is None or change.contact_key is None:
        return
    if had is not None and had.change.membership == change.membership:
        return
    move = Move(change.property_key, change.contact_key, change.at_ms, change.membership)
    found.moves.setdefault(change.property_key, []).append(move)
    found.hours[change.workspace, change.name, change.at_ms - change.at_ms % _HOUR_MS, change.membership] += 1
