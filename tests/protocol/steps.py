"""Every step that can come next: the worker's own, and what may go wrong.

The worker's order is that of `processor/worker.py`: read a batch with the membership, claim, then the transaction. Each
remedy is a switch, so that the search can show what it is for.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from tests.protocol import store
from tests.protocol.store import Fences
from tests.protocol.world import (
    NONE,
    PARTITIONS,
    WORKERS,
    Api,
    Days,
    Event,
    Left,
    Offsets,
    Refused,
    Request,
    Step,
    Transaction,
    Worker,
    World,
    apply,
    begin_epoch,
    put,
)  # fmt: skip

_IN_ORDER = (Api.ADD_PARTITIONS, Api.PRODUCE, Api.ADD_OFFSETS, Api.OFFSETS, Api.COMMIT)
_APART = (Api.ADD_PARTITIONS, Api.PRODUCE, Api.COMMIT, Api.PLAIN_OFFSETS)


class Remedies(NamedTuple):
    """What keeps the promise. `verified` is Kafka's, the others are Daymark's use of Kafka and Redis."""

    owned: bool = True  # a claim holds its event's coordinates: who finds its own has not lost the day
    members: bool = True  # offsets are sent with the membership under which the batch was read
    fenced: bool = True  # a worker that starts begins a producer epoch
    renewed: bool = True  # so does one whose connection broke under a request
    together: bool = True  # offsets are committed in the transaction of the outputs
    stable: bool = True  # a new owner of a partition waits for offsets that are pending in a transaction
    sought: bool = True  # after an abort a worker reads its batch again
    verified: bool = True


class Model(NamedTuple):
    """The events, the remedies in force, and fences that are tried."""

    days: Days
    remedies: Remedies = Remedies()
    fences: Fences = Fences()

    def start(self, left: Left) -> World:
        """Return the world in which both workers have started, and nothing else happened."""
        count = 1 + max(day for days in self.days for day in days)
        workers, transactions = (Worker("idle", 1),) * len(WORKERS), (Transaction(1),) * len(WORKERS)
        return World(workers, transactions, 0, (0, 1), (0, 0), (), store.empty(count), frozenset(), None, left)

    def own(self, world: World) -> Iterator[Step]:
        """Yield the steps that the workers can take."""
        for number, worker in enumerate(world.workers):
            yield from self._steps(world, number, worker)

    def faults(self, world: World) -> Iterator[Step]:
        """Yield what can go wrong, as often as it may still."""
        left = world.left
        for number, worker in enumerate(world.workers):
            yield from self._hurt(world, number, worker)
        if left.rebalances:
            for owners in product(WORKERS, repeat=len(PARTITIONS)):
                if owners != world.owners:
                    moved = world._replace(owners=owners, generation=world.generation + 1)
                    once = moved._replace(left=left._replace(rebalances=left.rebalances - 1))
                    yield f"the group begins a generation, with partitions of workers {owners}", once
        yield from store.losses(world)

    def _hurt(self, world: World, number: int, worker: Worker) -> Iterator[Step]:
        left, request = world.left, self._next(worker, number)
        late = request is not None and left.late and world.late is None
        if worker.phase != "down" and left.crashes:
            dead = _with(world, number, Worker(epoch=worker.epoch))
            dead = dead._replace(left=left._replace(crashes=left.crashes - 1))
            yield f"worker {number} is killed", dead
            if request and late:
                on_its_way = dead._replace(late=request, left=dead.left._replace(late=left.late - 1))
                yield f"worker {number} is killed, and its {request.api} is on its way", on_its_way
        if request and late:
            yield self._cut(world, number, request)
        if left.late and world.late is None:
            yield from self._early_cut(world, number, worker)
        if request and left.aborts:
            failed, _ = self._give_up(world._replace(left=left._replace(aborts=left.aborts - 1)), number)
            yield f"worker {number}: {request.api} fails, and it aborts", failed

    def arrivals(self, world: World) -> Iterator[Step]:
        """Yield the arrival of the late request: at any moment, or never."""
        if world.late:
            try:
                arrived = self._apply(world, world.late)
            except Refused:
                arrived = world
            if world.late.api is Api.CLAIM:
                claimed, _ = store.claim(world.store, self._asked(world.late.outputs), owned=self.remedies.owned)
                arrived = store.written(world, world.late.worker, claimed, self.fences)
            yield f"late: {world.late}", arrived._replace(late=None)

    def _steps(self, world: World, number: int, worker: Worker) -> Iterator[Step]:
        who = f"worker {number}"
        match worker.phase:
            case "down":
                started = begin_epoch(world, number) if self.remedies.fenced else world
                epoch = started.transactions[number].epoch
                yield f"{who} starts with epoch {epoch}", _with(started, number, Worker("idle", epoch))
            case "idle":
                if worker.generation != world.generation:  # until it learns of it, it goes on as before
                    yield from self._join(world, number, worker)
                for batch in self._batches(worker):
                    read = worker._replace(phase="read", batch=batch)
                    yield f"{who} reads {batch}", _with(world, number, read)
            case "read":
                yield from self._claim(world, number, worker)
            case "unproven":
                is_member = worker.generation == world.generation
                proven = worker._replace(phase="read") if is_member else _outsider(worker)
                what = f"{who} asks whether it is a member, and is {'one' if is_member else 'none'}"
                yield what, _with(world, number, proven)
            case "claimed":
                if worker.doubtful and self.remedies.renewed and not worker.step:
                    renewed = begin_epoch(world, number)
                    again = worker._replace(epoch=renewed.transactions[number].epoch, doubtful=False)
                    yield (
                        f"{who} begins epoch {again.epoch}, since a request may be late",
                        _with(renewed, number, again),
                    )
                elif request := self._next(worker, number):
                    what, after, _ = self._send(world, number, request)
                    yield what, after

    def _join(self, world: World, number: int, worker: Worker) -> Iterator[Step]:
        mine = [partition for partition in PARTITIONS if world.owners[partition] == number]
        pending = {partition for one in world.transactions for partition in PARTITIONS if one.offsets[partition] >= 0}
        if self.remedies.stable and pending & set(mine):
            return
        known = store.introduced(world, number, world.generation, self.fences)
        positions = tuple(world.committed[one] if one in mine else -1 for one in PARTITIONS)
        joined = worker._replace(
            generation=world.generation,
            positions=positions,
            marked=worker.marked or self.fences.registered,
            connected=world.store.life if self.fences.connected else 0,
        )
        what = f"worker {number} joins generation {world.generation} and reads on at {positions}"
        yield what, _with(known, number, joined)

    def _batches(self, worker: Worker) -> Iterator[tuple[Event, ...]]:
        """Yield batches of one record, and of all that there are."""
        waiting = [
            (partition, offset)
            for partition in PARTITIONS
            if worker.positions[partition] >= 0
            for offset in range(worker.positions[partition], len(self.days[partition]))
        ]
        firsts = {event[0]: event for event in reversed(waiting)}
        yield from {(event,) for event in firsts.values()} | ({tuple(waiting)} if waiting else set())

    def _claim(self, world: World, number: int, worker: Worker) -> Iterator[Step]:
        who, fences = f"worker {number}", self.fences
        if fences.connected and worker.connected != world.store.life:
            again = worker._replace(phase="unproven", connected=world.store.life)
            yield f"{who} connects to the store again", _with(world, number, again)
        elif why := store.refusal(world, number, worker, fences):
            yield f"{who} claims, and is refused: {why}", _with(world, number, _outsider(worker))
        else:
            asked = self._asked(worker.batch)
            held, outputs = store.claim(world.store, asked, owned=self.remedies.owned)
            after = store.written(world, number, held, fences)
            claimed = worker._replace(phase="claimed", outputs=outputs, step=0, marked=fences.marked)
            if fences.settled and not store.is_settled(after, asked):
                back = _ready(claimed, done=False)
                yield f"{who} claims, and waits for the owner of a duplicate", _with(after, number, back)
            else:
                yield f"{who} claims, and is to emit {outputs}", _with(after, number, claimed)

    def _asked(self, batch: tuple[Event, ...]) -> dict[Event, int]:
        return {(partition, offset): self.days[partition][offset] for partition, offset in batch}

    def _early_cut(self, world: World, number: int, worker: Worker) -> Iterator[Step]:
        """Break a connection under what is asked before a transaction: a producer epoch, or claims."""
        left = world.left._replace(late=world.left.late - 1)
        if worker.phase == "down":
            for what, after in self._steps(world, number, worker):
                late = Request(Api.INIT, number, 0, -1, (), NONE)
                yield f"{what}; a copy of {late.api} is on its way", after._replace(late=late, left=left)
        if worker.phase == "read":
            late = Request(Api.CLAIM, number, worker.epoch, worker.generation, worker.batch, NONE)
            back = _with(world, number, _ready(worker, done=False))._replace(late=late, left=left)
            yield f"worker {number} gives up {late.api} of {worker.batch}, which is on its way", back
            for what, after in self._claim(world, number, worker):
                yield f"{what}; a copy of {late.api} is on its way", after._replace(late=late, left=left)

    def _next(self, worker: Worker, number: int) -> Request | None:
        """Return the request that a worker makes next, if it is in a transaction or may begin one."""
        if worker.phase != "claimed" or (worker.doubtful and self.remedies.renewed and not worker.step):
            return None
        api = (_IN_ORDER if self.remedies.together else _APART)[worker.step]
        return Request(api, number, worker.epoch, worker.generation, worker.outputs, _next_offsets(worker))

    def _send(self, world: World, number: int, request: Request) -> tuple[str, World, Request]:
        """Let a request arrive at once, and be answered; return what it came to, and the last request made."""
        worker = world.workers[number]
        who = f"worker {number}: {request.api}"
        try:
            after = self._apply(world, request)
        except Refused as refusal:
            given_up, abort = self._give_up(world, number)
            return f"{who} is refused: {refusal}", given_up, abort
        if request.api is not (_IN_ORDER if self.remedies.together else _APART)[-1]:
            return f"{who} is answered", _with(after, number, worker._replace(step=worker.step + 1)), request
        return f"{who} is answered: the batch is done", _with(after, number, _ready(worker, done=True)), request

    def _give_up(self, world: World, number: int) -> tuple[World, Request]:
        """End a worker that is fenced; otherwise abort, and go back to the batch's first offsets."""
        worker = world.workers[number]
        abort = Request(Api.ABORT, number, worker.epoch, worker.generation, (), NONE)
        if worker.epoch != world.transactions[number].epoch:
            return _with(world, number, Worker(epoch=worker.epoch)), abort
        ready = _ready(worker, done=not self.remedies.sought)
        return _with(self._apply(world, abort), number, ready), abort

    def _cut(self, world: World, number: int, request: Request) -> Step:
        """A connection breaks: the driver repeats the request, and a copy of it is still on its way."""
        what, after, last = self._send(world, number, request)
        left = world.left._replace(late=world.left.late - 1)
        late = after._replace(late=last._replace(repeated=True), left=left)
        worker = late.workers[number]
        cut = worker._replace(doubtful=worker.phase != "down")
        return f"{what}; the connection broke, and a copy of {last.api} is on its way", _with(late, number, cut)

    def _apply(self, world: World, request: Request) -> World:
        return apply(world, request, members=self.remedies.members, verified=self.remedies.verified)


def _with(world: World, number: int, worker: Worker) -> World:
    return world._replace(workers=put(world.workers, number, worker))


def _next_offsets(worker: Worker) -> Offsets:
    last = dict(worker.batch)  # by partition
    return tuple(last[partition] + 1 if partition in last else -1 for partition in PARTITIONS)


def _ready(worker: Worker, *, done: bool) -> Worker:
    """Return a worker after its batch; one that is not done is read again."""
    positions = tuple(map(max, worker.positions, _next_offsets(worker))) if done else worker.positions
    return worker._replace(phase="idle", positions=positions, batch=(), outputs=(), step=0)


def _outsider(worker: Worker) -> Worker:
    """Return a worker that has to join anew: it keeps nothing of what it knew."""
    return Worker("idle", worker.epoch, doubtful=worker.doubtful)
