"""The lane of a backfill: segment.backfill, read beside segment.events by whoever has the same partition of that.

One worker reads a contact's live and backfilled events and commits both in one order, so that the newest change of a
property is written last (DECISIONS.md, 52). The consumer here joins no group: it follows the member's assignment, and
its offsets are asked for and committed by the member, under its membership, in the same transactions. So a worker that
has lost a partition cannot commit in either lane.

Invariant: a record is handed out only while its contact's live partition is assigned, read from the group's offset.

The group's offsets are committed again now and then: those of a topic that no member subscribes to expire a week
(`offsets.retention.minutes`) after their commit. A worker that found none would read the whole backfill once more.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from processor import metrics
from processor.backlog import BEHIND
from processor.consumer_config import CONFIG as LIVE
from processor.consumer_config import with_given
from processor.cursor import Cursor
from processor.errors import SessionLost
from processor.heard import Heard
from processor.progress import Progress
from processor.records import Batch, Record, first_offsets
from processor.topic_mark import TopicMark
from processor.troubles import Pace
from schemas import lanes

# Records of a batch beside live ones, each of which costs them some 10 µs, and without any live event for a moment. A
# worker that is behind with live ones takes few, but some, since a live event can be the duplicate of a backfilled one
# that has claimed its day and is not committed yet.
BESIDE_LIVE: Final = 250
ALONE: Final = lanes.MOST_AT_ONCE
BESIDE_MANY: Final = 50
_MOMENT_S: Final = 1.0
_ANSWER_S: Final = 0.5
_KEEP_EVERY_S: Final = 600.0
_NEXT_S, _IDLE_S = 0.01, 0.25  # how long live events may be waited for: in the middle of a backfill, and else

# Nobody misses it when live events keep it waiting for long. The queue of fetched records is small: they can wait.
CONFIG: Final[Mapping[str, Any]] = {
    **LIVE,
    "max.poll.interval.ms": 86_400_000,
    "queued.max.messages.kbytes": 8192,
    "fetch.max.bytes": 4 << 20,
}
_OF_A_MEMBER: Final = {
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
}

log = structlog.get_logger()


class Lane:
    """The partitions of segment.backfill that belong to a member's own."""

    def __init__(
        self,
        config: Mapping[str, Any],
        topic: str,
        mark: Callable[[], bytes | None],
        consumer: Callable[..., Consumer] = Consumer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create a consumer, which connects in the background.

        Args:
            config: the member's own.
            topic: the events of a backfill.
            mark: returns the topic's current incarnation, None while there is no such topic or nobody answers.
            consumer: makes the driver's consumer from its settings.
            clock: seconds, monotonic.
        """
        self._mark, self._clock = TopicMark(mark), clock
        self._heard = Heard({"group": str(config.get("group.id", "")), "topic": topic, "right": "Read"})
        self._progress = Progress(topic, metrics.BACKFILL_LAG, lanes.BACKFILL)
        callbacks = {"error_cb": self._heard.on_error, "stats_cb": self._progress.on_statistics}
        plain = {name: value for name, value in config.items() if name not in _OF_A_MEMBER}
        self._consumer = consumer(with_given(CONFIG, {**plain, **callbacks}))
        self._cursor = Cursor(self._consumer, topic, self._heard, lanes.BACKFILL)
        self._held: set[int] = set()
        self._moved: set[int] = set()  # came or went since they were last looked at
        self._messages: list[Any] = []
        self._stands: dict[int, int] = {}  # the group's offsets in what is held; negative where it has none
        self._live_at = self._read_at = -_MOMENT_S
        self._keep_at = 0.0
        self._ask_at, self._pace = 0.0, Pace(clock)

    def follow(self, member: Consumer) -> None:
        """Go where a member of the group goes, and ask it for the group's offsets."""
        self._cursor.offsets.ask(member)

    @property
    def mark(self) -> bytes:
        """The topic's mark; empty while it is not known."""
        return self._mark.value or b""

    @property
    def idle_s(self) -> float:
        """How long live events may be waited for."""
        return _NEXT_S if self._clock() - self._read_at < _MOMENT_S else _IDLE_S

    def moved(self, partitions: Iterable[int]) -> None:
        """Note that partitions of segment.events came or went: theirs are not handed out until they are looked at."""
        self._moved.update(lanes.BACKFILL + partition for partition in partitions)
        self._mark.expire()

    def fetch(self, assigned: Collection[int], live: int) -> int:
        """Take what may go into a batch beside so many live events; return how many.

        Args:
            assigned: the member's partitions of segment.events.
            live: events of a batch.

        Raises:
            SessionLost, Fatal: the consumer cannot continue.
        """
        self._follow(assigned)
        if live:
            self._live_at = self._clock()
        is_alone = self._clock() - self._live_at >= _MOMENT_S
        most = BESIDE_MANY if live >= BEHIND else ALONE if is_alone else BESIDE_LIVE
        self._mark.look()
        self._messages = [] if self._mark.value is None else self._consumer.consume(most, 0)
        self._heard.check()
        return len(self._messages)

    def records(self) -> list[Record]:
        """Return the records that were fetched, of partitions that have not moved since.

        Raises:
            SessionLost, Fatal: the consumer cannot continue.
        """
        messages, self._messages = self._messages, []
        records = self._cursor.records(messages, self._held - self._moved)
        firsts = first_offsets(records)
        if self._cursor.gaps.pending and not self._cursor.gaps.check(firsts):
            self.seek(firsts)
            return []
        if records:
            self._read_at = self._clock()
            self._progress.handed_out(records)
        return records

    def kept(self) -> dict[int, int]:
        """Return the group's offsets of what has not moved, if they are to be committed again; each time once."""
        if not self._held or self._clock() < self._keep_at:
            return {}
        self._keep_at = self._clock() + _KEEP_EVERY_S  # committed or not: live events must not fail by it again
        return {at: offset for at, offset in self._stands.items() if offset >= 0 and at not in self._moved}

    def committed(self, batch: Batch) -> None:
        """Note that a batch is committed."""
        following = batch.next_offsets()
        self._stands.update({at: offset for at, offset in following.items() if at in self._held})
        self._cursor.committed(following)
        self._progress.committed(batch)

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Go back to the first offsets of a failed batch, where partitions have not moved since.

        Raises:
            SessionLost: the driver cannot.
        """
        ours = self._held - self._moved
        self._cursor.seek({partition: offset for partition, offset in offsets.items() if partition in ours})

    def close(self) -> None:
        """Release the consumer."""
        try:
            self._consumer.close()
        except (KafkaException, RuntimeError) as error:
            log.warning("consumer.closed_badly", error=str(error))
        self._progress.closed()

    def _follow(self, assigned: Collection[int]) -> None:
        """Give up what moved, and read what is assigned now from the group's offset: another may have gone on there."""
        if not self._moved:
            return
        try:
            self._give_up(self._moved & self._held)
            self._moved = {partition for partition in self._moved if lanes.own(partition) in assigned}
            if self._moved and self._clock() >= self._ask_at:
                self._begin(self._moved)
        except KafkaException as error:
            raise SessionLost(f"segment.backfill cannot be read: {error.args[0].str()}") from error

    def _give_up(self, gone: set[int]) -> None:
        if gone:
            self._consumer.incremental_unassign(self._cursor.places(gone))
            self._held -= gone
            self._stands = {at: offset for at, offset in self._stands.items() if at in self._held}
            self._cursor.forget(gone)
            self._cursor.gaps.went(gone)
            self._progress.went(gone)

    def _begin(self, come: set[int]) -> None:
        """Begin to read partitions, unless their offsets are still in a transaction: live events do not wait for it."""
        try:
            offsets = self._cursor.offsets.committed(come, _ANSWER_S)
        except SessionLost as error:
            self._ask_at = self._clock() + _MOMENT_S
            if self._pace.is_due("backfill.waits"):
                log.warning("backfill.waits", error=str(error))
            return
        self._consumer.incremental_assign([_at(place, offsets) for place in self._cursor.places(come)])
        self._held |= come
        self._stands.update(offsets)
        self._keep_at = 0.0  # nobody says how old they are
        self._progress.came(come)
        self._cursor.gaps.came(come)
        self._moved = set()


def _at(place: TopicPartition, offsets: Mapping[int, int]) -> TopicPartition:
    return TopicPartition(place.topic, place.partition, offsets[lanes.BACKFILL + place.partition])
