"""Reads segment.events as a member of the group: batches, assignment, rewinds and pauses.

Decides nothing about events and commits nothing: offsets go into the sink's transaction. Imports confluent_kafka; the
consumer is used by one thread alone.

Invariant: a batch holds only records of partitions that were assigned when it was handed out, in order and without
repetition, and the membership under which they were read.
"""

import time
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.consumer_config import CONFIG
from processor.errors import Fatal, Fault, Retriable, SessionLost, classify, describe
from processor.filling import FEW, Filling
from processor.gaps import Gaps
from processor.message import as_they_come, to_record, unreadable
from processor.offsets import Offsets
from processor.progress import Progress
from processor.records import Batch, Record, first_offsets
from processor.troubles import Troubles

IDLE_S: Final = 0.25  # `consume` is deaf to signals: how long SIGTERM may wait
_UNREADABLE: Final = "_BAD_COMPRESSION"  # a batch that is longer, decompressed, than `receive.message.max.bytes`
_ASK_EVERY_S = 1.0  # how often the topic's incarnation is looked at
log = structlog.get_logger()


class Source:
    """A member of the group that reads one topic."""

    def __init__(
        self,
        config: Mapping[str, Any],
        topic: str,
        most: int,
        incarnation: Callable[[], bytes | None],
        consumer: Callable[..., Consumer] = Consumer,
    ) -> None:
        """Create a consumer, which connects in the background; `join` makes it a member of the group.

        Args:
            config: the consumer's, with group and assignor.
            topic: the raw events.
            most: records of a batch.
            incarnation: tells the topic's mark now, None while there is no such topic or nobody answers.
            consumer: makes the driver's consumer from its settings.
        """
        self._topic, self._most, self._ask = topic, most, incarnation
        self._names = {"group": str(config.get("group.id", "")), "topic": topic, "right": "Read"}
        self._incarnation: bytes | None = None
        self._asked_at = -_ASK_EVERY_S
        self._assigned: set[int] = set()
        self._assignments = 0  # how often they changed
        self._revoked: set[int] = set()  # during the current call of `consume`
        self._next: dict[int, int] = {}  # what this member has committed: nothing before it is handed out again
        self._due: dict[int, int] = {}  # after going back: the offset that must come next
        self._paused = False
        self._filling = Filling()
        self._cooperative = (
            config.get("group.protocol") == "consumer"
            or config.get("partition.assignment.strategy") == "cooperative-sticky"
        )
        self._fault: Fault | None = None
        self._troubles = Troubles("consumer")
        self._progress = Progress(topic)
        callbacks = {"error_cb": self._on_error, "stats_cb": self._progress.on_statistics}
        self._consumer = consumer({**CONFIG, **config, **callbacks})
        self._offsets = Offsets(self._consumer, topic)
        self._gaps = Gaps(self._offsets)

    def join(self) -> None:
        """Join the group."""
        went = {name: partial(self._leave, event=f"partitions.{name}") for name in ("revoked", "lost")}
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=went["revoked"], on_lost=went["lost"]
        )

    @property
    def assigned(self) -> frozenset[int]:
        """The assigned partitions."""
        return frozenset(self._assigned)

    def next_batch(self) -> Batch | None:
        """Return the available records, up to the batch's size, waiting `IDLE_S` at most; None when there are none.

        Raises:
            SessionLost, Fatal: the consumer cannot continue.
        """
        records = self._consume(self._most)
        # With the batch, not at commit time: by then librdkafka may have blanked it behind our back, and the
        # broker takes blank metadata from anybody: a worker that was cut off would commit what its successor commits.
        membership = self._consumer.consumer_group_metadata()
        is_member = bool(self._consumer.memberid())
        self._look_at_topic()
        is_checked = not self._gaps.pending or self._gaps.check(first_offsets(records))
        if not records:
            return None
        if not is_member or self._incarnation is None or not is_checked:
            log.warning("batch.dropped", records=len(records), is_member=is_member)
            self._seek(first_offsets(records))
            return None
        self._progress.handed_out(records)
        self._filling.handed_out()
        return Batch(records, membership, self._incarnation, self._assignments)

    def committed(self, batch: Batch) -> None:
        """Note that a batch is committed: none of its records is returned again."""
        self._next.update(batch.next_offsets())
        self._progress.committed(batch)
        self._filling.committed()

    def rewind(self, batch: Batch) -> None:
        """Seek back to the first offsets of a failed batch."""
        self._seek(batch.first_offsets())

    def pause(self) -> None:
        """Stop returning records, but stay in the group; partitions assigned meanwhile are paused, too."""
        self._paused = True
        self._consumer.pause(self._partitions(self._assigned))

    def wait(self) -> None:
        """Keep the membership of a paused source, for `IDLE_S` at most."""
        records = self._consume(1)
        if records:  # it was on its way when we paused
            self._seek(first_offsets(records))
        self._progress.paused(self._offsets, self._assigned)

    def resume(self) -> None:
        """Go on after a pause."""
        self._paused = False
        self._consumer.resume(self._partitions(self._assigned))
        self._progress.resumed()

    def close(self) -> None:
        """Leave the group."""
        try:
            self._consumer.close()
        except (KafkaException, RuntimeError) as error:
            log.warning("consumer.closed_badly", error=str(error))
        self._progress.closed()

    def _consume(self, most: int) -> list[Record]:
        self._revoked.clear()
        messages = self._consumer.consume(most, 0) or self._consumer.consume(1, IDLE_S)
        if messages and len(messages) < min(most, FEW):
            messages += self._consumer.consume(most - len(messages), self._filling.wait_s)
        if self._fault is not None:
            raise self._fault
        ours = self._assigned - self._given_back(messages)
        return (not self._due and as_they_come(messages, ours, self._next)) or self._in_order(messages, ours)

    def _given_back(self, messages: Iterable[Any]) -> set[int]:
        """Return the partitions given up and got back within one call, and read them again from what is committed.

        What was read of them before may be another member's work by now.
        """
        if not self._revoked:
            return set()
        given_back = self._revoked & self._assigned & {message.partition() for message in messages}
        self._seek(self._offsets.committed(given_back))
        return given_back

    def _in_order(self, messages: Iterable[Any], ours: Container[int]) -> list[Record]:
        """Return the records of some partitions.

        Drop what was committed before (after a rebalance a fetch can begin behind it), miss nothing after a rewind.

        Raises:
            SessionLost: going back did not go back.
        """
        kept: list[Record] = []
        upto = {**self._next, **self._due}
        skipped: set[int] = set()
        for message in messages:
            error, partition, offset = message.error(), message.partition(), message.offset()
            if partition in skipped:
                continue
            if error is not None and error.name() == _UNREADABLE and partition in ours:
                kept.append(self._skip(message, partition, upto.get(partition)))
                skipped.add(partition)
            elif error is not None:
                self._meet(error)
            elif partition in ours:
                expected = upto.get(partition, offset)
                if offset < expected:
                    self._gaps.check_behind(partition, expected)
                    continue
                if self._due and offset > self._due.pop(partition, offset):
                    raise SessionLost(f"partition {partition} was sought back to {expected}, but continued at {offset}")
                if offset > expected:
                    self._gaps.missed(partition, expected, offset)
                kept.append(to_record(message, partition, offset))
                upto[partition] = offset + 1
        return kept

    def _skip(self, message: Any, partition: int, position: int | None) -> Record:
        """Skip a record that cannot be decompressed, and return a placeholder for it.

        The driver names the first offset of the record's batch, each time: they are skipped one after the other.
        """
        if position is None:
            position = self._offsets.committed([partition])[partition]
        offset = max(message.offset(), position)
        self._due.pop(partition, None)
        self._seek_to(partition, offset + 1)
        log.error("record.unreadable", partition=partition, offset=offset, error=message.error().str())
        return unreadable(message, partition, offset)

    def _meet(self, error: KafkaError) -> None:
        fault = classify(error.name())
        if fault is not Retriable:
            raise fault(describe(error.name(), error.str(), **self._names))
        self._troubles.note(error)

    def _look_at_topic(self) -> None:
        """Learn the topic's incarnation after each change of the assignment, and now and then."""
        now = time.monotonic()
        if self._incarnation is not None and now - self._asked_at < _ASK_EVERY_S:
            return
        found = self._ask()
        self._asked_at = now
        if found is not None and self._incarnation not in {None, found}:
            raise SessionLost("the topic was deleted and recreated")
        self._incarnation = found or self._incarnation

    def _seek(self, offsets: Mapping[int, int]) -> None:
        for partition, offset in offsets.items():
            if partition not in self._assigned:
                continue
            self._seek_to(partition, offset)
            if offset >= 0:
                self._due[partition] = offset

    def _seek_to(self, partition: int, offset: int) -> None:
        try:
            self._consumer.seek(TopicPartition(self._topic, partition, offset))
        except KafkaException as error:
            raise SessionLost(f"partition {partition} cannot be read from {offset}: {error.args[0].str()}") from error

    def _partitions(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, partition) for partition in sorted(partitions)]

    # The driver loses a whole batch when a callback raises: faults are kept for the caller of `consume`.

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        came = {partition.partition for partition in partitions}
        self._assigned |= came
        self._forget(came)
        self._progress.came(came)
        self._gaps.came(came)
        if self._paused:  # those that are newly assigned are not paused by themselves
            assign = consumer.incremental_assign if self._cooperative else consumer.assign
            try:
                assign(partitions)
                consumer.pause(partitions)
            except KafkaException as error:
                self._fault = SessionLost(f"partitions cannot be paused: {error.args[0].str()}")
        log.info("partitions.assigned", came=sorted(came), all=len(self._assigned))

    def _leave(self, consumer: Consumer, partitions: list[TopicPartition], event: str) -> None:
        went = {partition.partition for partition in partitions}
        if self._paused:
            # The driver keeps a partition's pause beyond its assignment: if reassigned, it would stay paused forever.
            try:
                consumer.resume(partitions)
            except KafkaException as error:
                self._fault = SessionLost(f"partitions cannot be resumed: {error.args[0].str()}")
        self._assigned -= went
        self._revoked |= went
        self._forget(went)
        self._progress.went(went)
        self._gaps.went(went)
        log.info(event, went=sorted(went), all=len(self._assigned))

    def _forget(self, partitions: set[int]) -> None:
        self._assignments += 1
        self._asked_at = -_ASK_EVERY_S
        for partition in partitions:
            self._next.pop(partition, None)
            self._due.pop(partition, None)

    def _on_error(self, error: KafkaError) -> None:
        self._troubles.note(error)
        fault = classify(error.name())
        if fault is not Retriable and not isinstance(self._fault, Fatal):
            self._fault = fault(describe(error.name(), error.str(), **self._names))
