"""Fakes of the worker's ports. They fail on demand at every call; tests/contract runs them beside the real things.

Every step that can fail or be cut off asks its `Turns` first how it is to go: a plan of faults in the tests of the
worker; in tests/model the state machine, which lets another worker go on in between.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from processor.decide import ContactDay
from processor.errors import Aborted, ClaimsAway, SessionLost
from processor.ports import Claimed, Session
from processor.records import Batch, Output, Record, first_offsets
from processor.traits import Clock, Property
from schemas import lanes
from tests.fake_kafka import BLANK, FakeKafka, Membership
from tests.fake_redis import FakeRedis
from tests.turns import Answer, Faults, Turns, raise_fault, take_effect

INCARNATION, LANE = b"fake", b"lane"


class FakeSource:
    """A member of the group; `idle` is called when there is nothing to hand out."""

    def __init__(
        self, kafka: FakeKafka, turns: Turns, most: int | None = None, idle: Callable[[], None] = lambda: None
    ) -> None:
        self._kafka, self._turns, self._most, self._idle = kafka, turns, most, idle
        self._member: str | None = kafka.group.join()
        self._position: dict[int, int | None] = {}  # None: the committed offset is still to be had
        self._revoked: set[int] = set()  # during the current call of next_batch
        self._assignments = 0  # how often the partitions changed

    @property
    def assigned(self) -> frozenset[int]:
        return frozenset(map(lanes.own, self._position))

    @property
    def member(self) -> str | None:
        return self._member

    @property
    def membership(self) -> Membership:
        return self._kafka.group.membership(self._member)

    def next_batch(self) -> Batch | None:
        """Poll, take, poll again, drop what is no longer ours, note the membership: as the real source does."""
        answer = self._met("next_batch")
        self._revoked.clear()
        self._poll(deaf=answer.deaf)
        records = self._taken(answer.cut)
        if not records:
            self._idle()
            return None
        self._poll(deaf=self._met("fill").deaf)
        records = self._ours(records)
        self._met("metadata")
        return self._batch(records) if records else None

    def committed(self, batch: Batch) -> None:
        self._met("committed")

    def rewind(self, batch: Batch) -> None:
        self._met("rewind")
        self._go_to(batch.first_offsets())

    def pause(self) -> None:
        self._met("pause")

    def wait(self) -> None:
        self._poll(deaf=self._met("wait").deaf)

    def resume(self) -> None:
        self._met("resume")

    def close(self) -> None:
        """Leave the group. A fault is kept to itself, and the session ends by its time-out."""
        if self._turns.next("close source").fault is None:
            self._kafka.group.drop(self._member)

    def _met(self, call: str) -> Answer:
        answer = self._turns.next(call)
        raise_fault(answer)
        return answer

    def _poll(self, *, deaf: bool) -> None:
        group = self._kafka.group
        if deaf:
            return
        if self._member is None:
            self._member = group.join()
        if self._member in group.gone:
            self._leave(set(self.assigned))
            self._member = None
        else:
            went, came = group.serve(self._member)
            self._leave(went)
            self._assignments += bool(came)
            self._position |= dict.fromkeys(self._of_both_lanes(came))

    def _leave(self, partitions: set[int]) -> None:
        gone = self._of_both_lanes(partitions)
        self._revoked |= gone
        self._assignments += bool(partitions)
        for partition in gone:  # a broken one may hold a partition in one lane only
            self._position.pop(partition, None)

    def _of_both_lanes(self, partitions: set[int]) -> set[int]:
        """The lane of a backfill has no members of its own: it goes where the live partitions go."""
        return {number for number in self._kafka.records if lanes.own(number) in partitions}

    def _taken(self, cut: Sequence[int] | None) -> list[Record]:
        for partition, position in self._position.items():
            if position is None:
                self._position[partition] = self._kafka.start_of(partition)
        if cut is None:
            return [record for partition in sorted(self._position) for record in self._next(partition, self._most)]
        records = []
        for share in cut:
            waiting = [partition for partition in sorted(self._position) if self._is_waiting(partition)]
            records += self._next(waiting[share % len(waiting)], 1) if waiting else []
        return records

    def _is_waiting(self, partition: int) -> bool:
        position = self._position[partition]
        return position is not None and position < len(self._kafka.records[partition])

    def _next(self, partition: int, most: int | None) -> list[Record]:
        position = self._position.get(partition)
        if position is None:
            return []
        records = self._kafka.records[partition][position:][:most]
        self._position[partition] = position + len(records)
        return records

    def _ours(self, records: list[Record]) -> list[Record]:
        return [r for r in records if r.partition in self._position and r.partition not in self._revoked]

    def _batch(self, records: list[Record]) -> Batch | None:
        membership = self.membership
        if membership == BLANK:
            self._go_to(first_offsets(records))
            return None
        return Batch(records, membership, INCARNATION, self._assignments, LANE)

    def _go_to(self, offsets: Mapping[int, int]) -> None:
        self._position |= {partition: offset for partition, offset in offsets.items() if partition in self._position}


class FakeSink:
    """A transactional producer whose steps fail and are cut off one by one."""

    def __init__(self, kafka: FakeKafka, turns: Turns, transactional_id: str = "slot") -> None:
        self._kafka, self._turns, self._id = kafka, turns, transactional_id
        self._epoch, self.ready = -1, False
        self._is_doubtful = False  # a request of this epoch may still arrive

    def commit(self, outputs: Sequence[Output], batch: Batch) -> None:
        kafka, half = self._kafka, outputs[: len(outputs) // 2]
        try:
            if self._turns.next("begin").renews or self._is_doubtful:
                self.ready = False
            self.poll()
            epoch = self._epoch
            self._do(
                "produce",
                lambda: kafka.produce(self._id, epoch, outputs),
                lambda: kafka.produce(self._id, epoch, half),
            )
            self._do(
                "offsets",
                lambda: self._send_offsets(batch, epoch, kafka.send_offsets),
                again=lambda: self._send_offsets(batch, epoch, kafka.repeat_offsets),
            )
            self._end("commit", epoch)
        except Aborted:
            self._abort()
            raise

    def poll(self) -> None:
        """Fence whoever had the id before, if that is not done: as late as the real one may be."""
        if not self.ready:
            self._do("init", self._init)
            self.ready = True

    def close(self) -> None:
        self._turns.next("close sink")

    def _send_offsets(self, batch: Batch, epoch: int, send: Callable[..., None]) -> None:
        send(self._id, epoch, batch.next_offsets(), batch.membership)

    def _end(self, call: str, epoch: int) -> None:
        def end() -> None:
            self._kafka.end(self._id, epoch, commits=call == "commit")

        self._do(call, end, again=end)

    def _abort(self) -> None:
        try:
            self._end("abort", self._epoch)
        except Aborted as error:
            raise SessionLost(str(error)) from error

    def _init(self) -> None:
        self._epoch = self._kafka.init(self._id)
        self._is_doubtful = False

    def _do(
        self,
        call: str,
        effect: Callable[[], None],
        half: Callable[[], None] | None = None,
        again: Callable[[], None] | None = None,
    ) -> None:
        """Make a call. `again` is what its request does that comes once more: nothing where a sequence number tells."""
        answer = self._turns.next(call)
        if answer.again or answer.effect == "late":
            self._doubt()
        if answer.again and again:
            self._kafka.on_their_way.append(again)
        take_effect(answer, effect, half, self._kafka.on_their_way)
        raise_fault(answer)

    def _doubt(self) -> None:
        self._is_doubtful = True


class FakeClaims:
    """Claims and clocks as one worker asks for them."""

    def __init__(self, redis: FakeRedis | None = None, turns: Turns | None = None) -> None:
        self.redis, self.faults = redis or FakeRedis(), Faults()
        self._turns = turns or self.faults

    def claim(self, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        answer = self._turns.next("claim")
        if self.redis.troubles:
            raise self.redis.troubles.pop()
        if answer.fault:
            take_effect(
                answer,
                lambda: self.redis.ask(owners, clocks),
                lambda: self.redis.ask(_half(owners), _half(clocks)),
                self.redis.on_their_way,
            )
            raise answer.fault
        if answer.again:
            self.redis.ask(owners, clocks)
        return self.redis.ask(owners, clocks)


def sessions(kafka: FakeKafka, faults: Faults, most: int, idle: Callable[[], None]) -> Callable[[], Session]:
    """Return what opens sessions of a fake Kafka."""

    def open_session() -> Session:
        raise_fault(faults.next("open"))
        sink = FakeSink(kafka, faults)
        sink.poll()
        return Session(FakeSource(kafka, faults, most, idle), sink)

    return open_session


def _half(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
    return dict(islice(mapping.items(), len(mapping) // 2))


ABORTED = Aborted("planned")
LOST = SessionLost("planned")
AWAY = ClaimsAway("planned")
