"""The store of the model: claims, what it can lose, and the fences that were weighed against a claim that comes late.

A loss takes everything, or what was written last: any state in which the store has been may come back. With the server
that held it, its connections end; but keys can also be deleted under connections that live on.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.protocol.world import WORKERS, Event, Step, Store, Worker, World, put


class Fences(NamedTuple):
    """Ways to keep out a claim that comes too late. None is in the product: docs/protocol-model.md says why."""

    marked: bool = False  # the script compares the caller's acknowledged mark before it claims
    registered: bool = False  # a worker writes its mark before it learns where it is to read
    token: bool = False  # the script compares the member's generation with the highest it has seen
    connected: bool = False  # over a connection newer than the batch, Kafka has to confirm the membership first
    settled: bool = False  # a duplicate is committed only if the record that owns its day is


def empty(days: int) -> Store:
    """Return a store without a key."""
    return Store((None,) * days, (False,) * len(WORKERS))


def written(world: World, number: int, store: Store, fences: Fences) -> World:
    """Return the world after a worker's call: its newest mark is in the store, but in no state before."""
    past = {*world.past, world.store} if world.left.failovers else set()
    if fences.marked:
        past = {before._replace(marks=put(before.marks, number, value=False)) for before in past}
        store = store._replace(marks=put(store.marks, number, value=True))
    return world._replace(store=store, past=frozenset(past))


def introduced(world: World, number: int, generation: int, fences: Fences) -> World:
    """Return the world after a worker has said who it is, before it learns where to read."""
    if not (fences.registered or fences.token):
        return world
    token = max(world.store.token, generation) if fences.token else -1
    return written(world, number, world.store._replace(token=token), fences)


def refusal(world: World, number: int, worker: Worker, fences: Fences) -> str:
    """Return why the script does not claim for a worker; "": it does."""
    if fences.marked and worker.marked and not world.store.marks[number]:
        return "a mark that was acknowledged is gone"
    if fences.token and worker.generation < world.store.token:
        return "a newer generation has been here"
    return ""


def claim(store: Store, asked: dict[Event, int], *, owned: bool) -> tuple[Store, tuple[Event, ...]]:
    """Return the store after a call, and the events that are to be emitted.

    Args:
        store: as it is.
        asked: events, and the contact-day of each.
        owned: a claim holds coordinates, and who finds its own has not lost the day.
    """
    claims, outputs = list(store.claims), []
    for event, day in asked.items():
        if claims[day] is None or (owned and claims[day] == event):
            claims[day] = event
            outputs.append(event)
    return store._replace(claims=tuple(claims)), tuple(outputs)


def is_settled(world: World, asked: dict[Event, int]) -> bool:
    """Return whether the owner of each day is among the events that ask for it, or committed."""
    owners = {world.store.claims[day] for day in asked.values()} - {None, *asked}
    return all(owner[1] < world.committed[owner[0]] for owner in owners if owner)


def losses(world: World) -> Iterator[Step]:
    """Yield what the store may lose."""
    left, nothing, life = world.left, empty(len(world.store.claims)), world.store.life
    if left.losses:
        after = left._replace(losses=left.losses - 1)
        yield "the store comes back empty", world._replace(store=nothing._replace(life=life + 1), left=after)
    if left.flushes:
        after = left._replace(flushes=left.flushes - 1)
        yield "the store's keys are deleted", world._replace(store=nothing._replace(life=life), left=after)
    if left.failovers:
        after = left._replace(failovers=left.failovers - 1)
        for before in world.past:
            lost = before._replace(life=life + 1)
            past = world.past if after.failovers else frozenset[Store]()
            yield "the store fails over, without its newest writes", world._replace(store=lost, past=past, left=after)
