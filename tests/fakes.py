"""Fakes of the worker's ports. They fail on demand at every call; tests/contract runs them beside the real things."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from processor.decide import ContactDay
from processor.errors import Aborted, ClaimsAway, SessionLost
from processor.ports import Claimed, Session
from processor.records import Batch, Output, Record
from processor.traits import Clock, Property

INCARNATION = b"fake"


class Faults:
    """What is to go wrong: a fault for the n-th call of a port, before or after it took effect."""

    def __init__(self) -> None:
        self._plans: dict[str, list[tuple[Exception | None, bool]]] = defaultdict(list)

    def plan(self, call: str, fault: Exception, *, after_effect: bool = False, skip: int = 0) -> None:
        self._plans[call] += [(None, False)] * skip + [(fault, after_effect)]

    def next(self, call: str) -> tuple[Exception | None, bool]:
        plans = self._plans[call]
        return plans.pop(0) if plans else (None, False)


class FakeKafka:
    """A topic of raw records, one group's committed offsets, and what was written, in memory."""

    def __init__(self, partitions: int = 1) -> None:
        self.records: dict[int, list[Record]] = {partition: [] for partition in range(partitions)}
        self.committed: dict[int, int] = {}
        self.written: list[Output] = []
        self.faults = Faults()
        self.calls: list[str] = []

    def append(self, value: bytes, partition: int = 0, workspace: str = "w", received_at_ms: int = 10**13) -> Record:
        offset = len(self.records[partition])
        record = Record(partition, offset, b"key", value, workspace, received_at_ms, received_at_ms)
        self.records[partition].append(record)
        return record


class FakeSource:
    """Hands out what is there from the committed offsets on; `idle` is called when there is nothing."""

    def __init__(self, kafka: FakeKafka, most: int, idle: Callable[[], None]) -> None:
        self._kafka, self._most, self._idle = kafka, most, idle
        self._position = {partition: kafka.committed.get(partition, 0) for partition in kafka.records}
        self.assigned = frozenset(kafka.records)

    def next_batch(self) -> Batch | None:
        fault, _ = self._kafka.faults.next("next_batch")
        if fault:
            raise fault
        records = [
            record
            for partition, there in self._kafka.records.items()
            for record in there[self._position[partition] : self._position[partition] + self._most]
        ]
        if not records:
            self._idle()
            return None
        batch = Batch(records, "membership", INCARNATION)
        self._position.update(batch.next_offsets())
        return batch

    def committed(self, batch: Batch) -> None:
        self._kafka.calls.append("committed")

    def rewind(self, batch: Batch) -> None:
        self._kafka.calls.append("rewind")
        self._position.update(batch.first_offsets())

    def pause(self) -> None:
        self._kafka.calls.append("pause")

    def wait(self) -> None:
        self._kafka.calls.append("wait")

    def resume(self) -> None:
        self._kafka.calls.append("resume")

    def close(self) -> None:
        self._kafka.calls.append("close source")


class FakeSink:
    """Commits all or nothing; a planned fault comes before the commit or, its answer lost, after it."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka

    def commit(self, outputs: Sequence[Output], batch: Batch) -> None:
        fault, after_effect = self._kafka.faults.next("commit")
        if fault is None or after_effect:
            self._kafka.written += outputs
            self._kafka.committed.update(batch.next_offsets())
        if fault:
            raise fault

    def poll(self) -> None:
        pass

    def close(self) -> None:
        self._kafka.calls.append("close sink")


class FakeClaims:
    """Day keys and clocks in dictionaries."""

    def __init__(self) -> None:
        self.held: dict[ContactDay, bytes] = {}
        self.clocks: dict[Property, Clock] = {}
        self.faults = Faults()

    def claim(self, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        fault, after_effect = self.faults.next("claim")
        if fault and not after_effect:
            raise fault
        claimed = Claimed([self.held.get(day) for day in owners], [self.clocks.get(of) for of in clocks])
        self.held = {**owners, **self.held}
        self.clocks |= {of: clock for of, clock in clocks.items() if not clock.is_stale(self.clocks.get(of))}
        if fault:
            raise fault
        return claimed


def sessions(kafka: FakeKafka, most: int, idle: Callable[[], None]) -> Callable[[], Session]:
    """Return what opens sessions of a fake Kafka."""

    def open_session() -> Session:
        kafka.calls.append("open")
        fault, _ = kafka.faults.next("open")
        if fault:
            raise fault
        return Session(FakeSource(kafka, most, idle), FakeSink(kafka))

    return open_session


ABORTED = Aborted("planned")
LOST = SessionLost("planned")
AWAY = ClaimsAway("planned")
