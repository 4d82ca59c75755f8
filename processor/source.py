"""Reads segment.events as a member of the group: batches, assignment, rewinds and pauses. A lane may join in.

Decides nothing about events and commits nothing: offsets go into the sink's transaction. Imports confluent_kafka; the
consumer is used by one thread alone.

Invariant: a batch holds only records of partitions that were assigned when it was handed out, in order and without
repetition, and the membership under which they were read.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from processor.consumer_config import CONFIG, with_given
from processor.cursor import Cursor
from processor.errors import KafkaAway, SessionLost
from processor.filling import FEW, Filling
from processor.heard import Heard
from processor.lane import Lane
from processor.progress import Progress
from processor.records import Batch, Record, first_offsets
from processor.topic_mark import TopicMark

IDLE_S: Final = 0.25  # `consume` is deaf to signals: how long SIGTERM may wait
# After one session the coordinator goes on without who is gone; it may wait for others that are still at a batch.
_PATIENT_SESSIONS: Final = 3
_SESSION_MS: Final = 45_000  # librdkafka's default
log = structlog.get_logger()


class Source:
    """A member of the group that reads one topic, and beside it, if it has one, the lane of a backfill."""

    def __init__(
        self,
        config: Mapping[str, Any],
        topic: str,
        most: int,
        incarnation: Callable[[], bytes | None],
        consumer: Callable[..., Consumer] = Consumer,
        *,
        lane: Lane | None = None,
    ) -> None:
        """Create a consumer, which connects in the background; `join` makes it a member of the group.

        Args:
            config: the consumer's, with group and assignor.
            topic: the raw events.
            most: records of a batch, those of the lane not included.
            incarnation: returns the topic's current mark, None while there is no such topic or nobody answers.
            consumer: makes the driver's consumer from its settings.
            lane: reads a backfill beside; closed with this source.
        """
        self._topic, self._most, self._lane = topic, most, lane
        self._mark = TopicMark(incarnation)
        self._assigned: set[int] = set()
        self._assignments = 0  # how often they changed
        self._revoked: set[int] = set()  # during the current call of `consume`
        self._paused = False
        self._filling = Filling()
        self._cooperative = (
            config.get("group.protocol") == "consumer"
            or config.get("partition.assignment.strategy") == "cooperative-sticky"
        )
        self._heard = Heard({"group": str(config.get("group.id", "")), "topic": topic, "right": "Read"})
        self._progress = Progress(topic)
        self._patience_s = _PATIENT_SESSIONS * int(config.get("session.timeout.ms", _SESSION_MS)) / 1000
        callbacks = {"error_cb": self._heard.on_error, "stats_cb": self._progress.on_statistics}
        self._consumer = consumer(with_given(CONFIG, {**config, **callbacks}))
        self._cursor = Cursor(self._consumer, topic, self._heard)
        if lane:
            lane.follow(self._consumer)

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

        Those of a backfill come last, and only as many as hardly delay live ones.

        Raises:
            SessionLost, Fatal: the consumer cannot continue.
        """
        live = self._consume(self._most, self._lane)
        # With the batch, not at commit time: by then librdkafka may have blanked it behind our back, and the
        # broker takes blank metadata from anybody: a worker that was cut off would commit what its successor commits.
        membership = self._consumer.consumer_group_metadata()
        is_member = bool(self._consumer.memberid())
        self._mark.look()
        gaps = self._cursor.gaps
        is_checked = not gaps.pending or gaps.check(first_offsets(live))
        backfilled = self._lane.records() if self._lane else []
        records, mark = live + backfilled, self._mark.value
        if not is_member or mark is None or not is_checked:
            if records:
                log.warning("batch.dropped", records=len(records), is_member=is_member)
                self._seek(first_offsets(records))
            return None
        kept = self._lane.kept() if self._lane else {}
        if not (records or kept):
            return None
        self._progress.handed_out(records)
        self._filling.handed_out()
        backfill_mark = self._lane.mark if self._lane else b""
        return Batch(records, membership, mark, self._assignments, backfill_mark, len(backfilled), kept)

    def committed(self, batch: Batch) -> None:
        """Note that a batch is committed: none of its records is returned again."""
        self._cursor.committed(batch.next_offsets())
        self._progress.committed(batch)
        self._filling.committed()
        if self._lane:
            self._lane.committed(batch)

    def rewind(self, batch: Batch) -> None:
        """Seek back to the first offsets of a failed batch."""
        self._seek(batch.first_offsets())

    def pause(self) -> None:
        """Stop returning records, but stay in the group; partitions assigned meanwhile are paused, too."""
        self._paused = True
        self._consumer.pause(self._cursor.places(self._assigned))

    def wait(self) -> None:
        """Keep the membership of a paused source, for `IDLE_S` at most."""
        records = self._consume(1)
        if records:  # it was on its way when we paused
            self._seek(first_offsets(records))
        self._progress.paused(self._cursor.offsets, self._assigned)

    def resume(self) -> None:
        """Go on after a pause."""
        self._paused = False
        self._consumer.resume(self._cursor.places(self._assigned))
        self._progress.resumed()

    def close(self) -> None:
        """Leave the group."""
        try:
            self._consumer.close()
        except (KafkaException, RuntimeError) as error:
            log.warning("consumer.closed_badly", error=str(error))
        self._progress.closed()
        if self._lane:
            self._lane.close()

    def _consume(self, most: int, lane: Lane | None = None) -> list[Record]:
        """Return live records, and let the lane fetch what may go beside them."""
        self._revoked.clear()
        messages, idle_s = self._consumer.consume(most, 0), IDLE_S
        beside = lane.fetch(self._assigned, len(messages)) if lane else 0
        if lane:
            idle_s = 0.0 if beside else lane.idle_s
        messages = messages or self._consumer.consume(1, idle_s)
        if messages and len(messages) + beside < min(most, FEW):
            messages += self._consumer.consume(most - len(messages), self._filling.wait_s)
        self._heard.check()
        self._check_join()
        return self._cursor.records(messages, self._assigned - self._given_back(messages))

    def _check_join(self) -> None:
        """Give up a join that is not answered: the driver would wait for `max.poll.interval.ms`, five minutes.

        Raises:
            KafkaAway: a new consumer has to ask.
        """
        if (waited_s := self._progress.joining_s) > self._patience_s:
            raise KafkaAway(f"the coordinator has not answered the request to join the group for {waited_s:.0f} s")

    def _given_back(self, messages: Iterable[Any]) -> set[int]:
        """Return the partitions given up and got back within one call, and read them again from what is committed.

        What was read of them before may be another member's work by now.
        """
        if not self._revoked:
            return set()
        given_back = self._revoked & self._assigned & {message.partition() for message in messages}
        self._seek(self._cursor.offsets.committed(given_back))
        return given_back

    def _seek(self, offsets: Mapping[int, int]) -> None:
        self._cursor.seek({partition: offset for partition, offset in offsets.items() if partition in self._assigned})
        if self._lane:
            self._lane.seek(offsets)

    # The driver loses a whole batch when a callback raises: faults are kept for whoever reads.

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        came = {partition.partition for partition in partitions}
        self._assigned |= came
        self._forget(came)
        self._progress.came(came)
        self._cursor.gaps.came(came)
        if self._paused:  # those that are newly assigned are not paused by themselves
            assign = consumer.incremental_assign if self._cooperative else consumer.assign
            try:
                assign(partitions)
                consumer.pause(partitions)
            except KafkaException as error:
                self._heard.fault = SessionLost(f"partitions cannot be paused: {error.args[0].str()}")
        log.info("partitions.assigned", came=sorted(came), all=len(self._assigned))

    def _leave(self, consumer: Consumer, partitions: list[TopicPartition], event: str) -> None:
        went = {partition.partition for partition in partitions}
        if self._paused:
            # The driver keeps a partition's pause beyond its assignment: if reassigned, it would stay paused forever.
            try:
                consumer.resume(partitions)
            except KafkaException as error:
                self._heard.fault = SessionLost(f"partitions cannot be resumed: {error.args[0].str()}")
        self._assigned -= went
        self._revoked |= went
        self._forget(went)
        self._progress.went(went)
        self._cursor.gaps.went(went)
        log.info(event, went=sorted(went), all=len(self._assigned))

    def _forget(self, partitions: set[int]) -> None:
        self._assignments += 1
        self._mark.expire()
        self._cursor.forget(partitions)
        if self._lane:
            self._lane.moved(partitions)
