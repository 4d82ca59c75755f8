"""The raw events of segment.events, and of segment.backfill where there is one: read as one series of partitions.

Partitions have their numbers of `schemas.lanes`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from confluent_kafka import Consumer, Message, TopicPartition

from daymark.auditing import reading
from daymark.auditing.reading import Bounds
from schemas import lanes
from schemas.topics import Topics

T = TypeVar("T")
_AHEAD: Final = 2 * lanes.MOST_AT_ONCE  # offsets: a transaction's end takes one, too


class Some(NamedTuple):
    """Records of one topic; `base` is added to the number of their partition."""

    topic: str
    base: int
    messages: Sequence[Message]


class Raws:
    """The topics of raw events that there are. Every call may raise KafkaException."""

    def __init__(self, topics: Topics, partitions: Mapping[str, Sequence[int]]) -> None:
        """Take the names of all topics, and the partitions of each that is there."""
        bases: Final = {topics.events: 0, topics.backfill: lanes.BACKFILL}
        self._topics = topics
        self._parts = [(topic, base, partitions[topic]) for topic, base in bases.items() if topic in partitions]

    def bounds(self, consumer: Consumer) -> dict[int, tuple[int, int]]:
        """Return each partition's first offset and the one after its last."""
        return self._joined(lambda topic, numbers: reading.bounds(consumer, topic, numbers))

    @property
    def has_backfill(self) -> bool:
        """Whether segment.backfill is one of them."""
        return any(base == lanes.BACKFILL for _, base, _ in self._parts)

    def place(self, number: int, offset: int, metadata: str = "") -> TopicPartition:
        """Return a record's place in its own topic."""
        topic = self._topics.backfill if lanes.is_backfill(number) else self._topics.events
        return TopicPartition(topic, lanes.own(number), offset, metadata)

    def number(self, message: Message) -> int | None:
        """Return the number of a message's partition; None: it is an error that is of none."""
        base, own = lanes.BACKFILL if message.topic() == self._topics.backfill else 0, message.partition()
        return None if own is None else base + own

    def stands(self, consumer: Consumer) -> dict[int, reading.Stand]:
        """Return the offsets of the consumer's group with their metadata, as `reading.stands` does."""
        return self._joined(lambda topic, numbers: reading.stands(consumer, topic, numbers))

    def committed(self, consumer: Consumer) -> dict[int, int | None]:
        """Return the offsets of the consumer's group, as `reading.committed` does."""
        return self._joined(lambda topic, numbers: reading.committed(consumer, topic, numbers))

    def offsets_at(self, consumer: Consumer, instant_ms: int) -> dict[int, int | None]:
        """Return the first offset of each partition whose record is no older; None: all of its records are."""
        return self._joined(lambda topic, numbers: reading.offsets_at(consumer, topic, numbers, instant_ms))

    def between(
        self, consumer: Consumer, there: Bounds, since_ms: int, until_ms: int | None
    ) -> dict[int, tuple[int, int]]:
        """Return the part of some partitions' bounds whose records lie in a stretch of time."""
        found = {}
        for topic, base, numbers in self._parts:
            part = {number: there[base + number] for number in numbers if base + number in there}
            some = reading.between(consumer, topic, part, since_ms, until_ms) if part else {}
            found.update({base + number: bounds for number, bounds in some.items()})
        return found

    def records(self, consumer: Consumer, wanted: Bounds) -> Iterator[Some]:
        """Yield the records of a stretch of each partition, one topic after the other, each partition's in order."""
        for topic, base, numbers in self._parts:
            part = {number: wanted[base + number] for number in numbers if base + number in wanted}
            for messages in reading.records(consumer, topic, part) if part else ():
                yield Some(topic, base, messages)

    def pending(self, consumer: Consumer, nexts: Mapping[int, int], there: Bounds) -> Iterator[Some]:
        """Yield the records of segment.backfill that may have made claims already, though they are not committed.

        Args:
            consumer: reads them.
            nexts: the group's offset in each partition.
            there: the bounds of each partition.
        """
        ahead = {
            number: (first, min(first + _AHEAD, there[number][1]))
            for number, first in nexts.items()
            if lanes.is_backfill(number)
        }
        yield from self.records(consumer, ahead) if ahead else ()

    def _joined(self, ask: Callable[[str, Sequence[int]], Mapping[int, T]]) -> dict[int, T]:
        return {
            base + number: found
            for topic, base, numbers in self._parts
            for number, found in ask(topic, numbers).items()
        }
