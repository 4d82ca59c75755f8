"""Reads topics outside any group: their bounds, a group's committed offsets, and every record between two offsets.

Moves no group's offsets. Reading stops at a fixed offset; if that lies in an open transaction, it waits for its end.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import click
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

CONFIG: Final[Mapping[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",  # the next record was deleted: continue at the oldest remaining one
    "fetch.queue.backoff.ms": 20,  # the default, 1000, stalls a partition whenever the queue is full
    "fetch.wait.max.ms": 100,
    "fetch.error.backoff.ms": 50,  # each record of a batch that cannot be decompressed takes this long
    # Enough to keep the disk busy; the defaults take hundreds of megabytes.
    "fetch.max.bytes": 8 << 20,
    "queued.max.messages.kbytes": 16384,
}

# The end of a topic for readers of uncommitted records: records of open transactions lie before it.
UNCOMMITTED: Final[Mapping[str, Any]] = {**CONFIG, "isolation.level": "read_uncommitted"}

_FETCH, _MESSAGE = "fetch.max.bytes", "message.max.bytes"


def over(given: Mapping[str, Any], ours: Mapping[str, Any] = CONFIG) -> dict[str, Any]:
    """Return ours over the options given, with fetches as large as the largest message, as librdkafka wants them."""
    return {**given, **ours, _FETCH: max(ours[_FETCH], int(given.get(_MESSAGE, 0)))}


_CALL_S, _PATIENCE_S, _AGAIN_S = 10.0, 30.0, 0.2
_STALLED_S = 120.0  # longer than any of our transactions stays open
_MOST = 2_000
_HOPELESS = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
}
# The error for a record in a batch that is longer, when decompressed, than `receive.message.max.bytes`.
UNREADABLE: Final = KafkaError._BAD_COMPRESSION  # noqa: SLF001  public, in spite of its name

Bounds = Mapping[int, tuple[int, int]]
T = TypeVar("T")


def bounds(consumer: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return each partition's first offset and the one after its last.

    Raises:
        KafkaException: Kafka does not answer.
    """
    return {
        partition: _answer(
            lambda place: consumer.get_watermark_offsets(place, _CALL_S, cached=False), TopicPartition(topic, partition)
        )
        for partition in partitions
    }


class Stand(NamedTuple):
    """A group's committed offset in a partition (None: it has committed none), and its metadata."""

    offset: int | None
    metadata: str | None


def stands(consumer: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, Stand]:
    """Return the committed offsets of the consumer's group, once no transaction that moves them is open.

    Raises:
        KafkaException: Kafka does not answer.
    """
    places = [TopicPartition(topic, partition) for partition in partitions]
    found = _answer(lambda asked: _whole(consumer.committed(asked, _CALL_S)), places)
    return {place.partition: Stand(place.offset if place.offset >= 0 else None, place.metadata) for place in found}


def committed(consumer: Consumer, topic: str, partitions: Iterable[int]) -> dict[int, int | None]:
    """Return the offsets of the consumer's group, as `stands` does; None: it has none.

    Raises:
        KafkaException: Kafka does not answer.
    """
    return {partition: stand.offset for partition, stand in stands(consumer, topic, partitions).items()}


def offsets_at(consumer: Consumer, topic: str, partitions: Iterable[int], instant_ms: int) -> dict[int, int | None]:
    """Return each partition's first offset at or after an instant; None: all of its records are older.

    Raises:
        KafkaException: Kafka does not answer.
    """
    places = [TopicPartition(topic, partition, instant_ms) for partition in partitions]
    found = _answer(lambda asked: _whole(consumer.offsets_for_times(asked, _CALL_S)), places)
    return {place.partition: place.offset if place.offset >= 0 else None for place in found}


def between(
    consumer: Consumer, topic: str, there: Bounds, since_ms: int, until_ms: int | None = None
) -> dict[int, tuple[int, int]]:
    """Return the part of some partitions' bounds whose records lie in a time range.

    Raises:
        KafkaException: Kafka does not answer.
    """
    firsts = offsets_at(consumer, topic, there, max(0, since_ms))
    lasts = {} if until_ms is None else offsets_at(consumer, topic, there, until_ms)
    found = {}
    for number, (first, end) in there.items():
        since, until = firsts[number], lasts.get(number)
        found[number] = (end if since is None else max(first, since), end if until is None else min(end, until))
    return found


def records(consumer: Consumer, topic: str, wanted: Bounds) -> Iterator[list[Message]]:
    """Yield the records of a topic in batches, each partition's in order.

    A record that cannot be decompressed is replaced by a message with that error, at its offset and without content.

    Args:
        consumer: made with `CONFIG`; its assignment is replaced.
        topic: its name.
        wanted: the first offset of each partition, and the one after its last.

    Raises:
        KafkaException: the topic cannot be read.
        ClickException: reading a partition does not reach its end.
    """
    course = _Course(consumer, topic, wanted)
    heard = time.monotonic()
    while course.unfinished:
        batch = consumer.consume(_MOST, _AGAIN_S)
        heard = time.monotonic() if batch else heard
        if time.monotonic() - heard > _STALLED_S:
            partition, upto = next(iter(course.unfinished.items()))
            raise click.ClickException(
                f"{topic} cannot be read to its end (partition {partition} to {upto}); is there a hanging transaction?"
            )
        yield course.take_all(batch)
    consumer.resume(course.places)  # one that is left paused stands still for a second when it is read again
    consumer.unassign()


class _Course:
    """How far a topic has been read.

    `unfinished` has the partitions that have not reached their end, and that end; `places` is where all begin.
    """

    def __init__(self, consumer: Consumer, topic: str, wanted: Bounds) -> None:
        self._consumer, self._topic = consumer, topic
        self.unfinished = {partition: upto for partition, (first, upto) in wanted.items() if first < upto}
        self._next = {partition: wanted[partition][0] for partition in self.unfinished}
        self._sought: set[int] = set()  # in the current batch
        self.places = [TopicPartition(topic, partition, offset) for partition, offset in self._next.items()]
        consumer.assign(self.places)
        consumer.resume(self.places)  # the driver remembers that an earlier assignment was paused

    def take_all(self, batch: list[Message]) -> list[Message]:
        """Return what `take` returns of a batch."""
        self._sought.clear()
        return [found for message in batch if (found := self.take(message)) is not None]

    def take(self, message: Message) -> Message | None:
        """Return a message that is a record before its partition's end, or stands for one; update the position."""
        error, partition, offset = message.error(), message.partition(), message.offset()
        if error is not None and (error.fatal() or error.code() in _HOPELESS):
            raise KafkaException(error)
        # After a seek the rest of the batch is of an earlier fetch, which may report the same error twice.
        if partition not in self.unfinished or partition in self._sought or offset is None:
            return None
        if error is not None and error.code() == UNREADABLE:
            return self._pass_over(message, partition, max(offset, self._next[partition]))
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  public, in spite of its name
                self._reach(partition, offset)
            return None
        if offset < self._next[partition]:  # already fetched when reading continued after it
            return None
        is_wanted = offset < self.unfinished[partition]
        self._reach(partition, offset + 1)
        return message if is_wanted else None

    def _reach(self, partition: int, upto: int) -> None:
        self._next[partition] = upto
        if upto >= self.unfinished[partition]:
            del self.unfinished[partition]
            self._consumer.pause([TopicPartition(self._topic, partition)])

    def _pass_over(self, message: Message, partition: int, offset: int) -> Message | None:
        """Continue after a record that cannot be decompressed, and return a substitute for it.

        The driver reports the first offset of the record's batch each time, so its records are skipped one by one.
        """
        is_wanted = offset < self.unfinished[partition]
        self._reach(partition, offset + 1)
        if partition in self.unfinished:
            self._consumer.seek(TopicPartition(self._topic, partition, offset + 1))
            self._sought.add(partition)
        if not is_wanted:
            return None
        at = message.timestamp()
        return Message(self._topic, partition=partition, offset=offset, value=b"", error=message.error(), timestamp=at)


def _whole(places: list[TopicPartition]) -> list[TopicPartition]:
    for place in places:
        if place.error is not None:
            raise KafkaException(place.error)
    return places


def _answer(ask: Callable[[Any], T], about: Any) -> T:
    """Retry while Kafka cannot answer: a coordinator is moving, a topic was just created, a transaction is open."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask(about)
        except KafkaException as error:
            if time.monotonic() > until or error.args[0].code() in _HOPELESS:
                raise
            time.sleep(_AGAIN_S)
