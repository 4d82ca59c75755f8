"""Committed records whose claims must still be alive: interactions and properties, a day's worth at a time.

The newest day comes first: its contacts recur soonest. A claim's lifetime counts from the moment that its record was
written, so a record of k days ago gets k days less.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from confluent_kafka import Consumer, Message

from daymark.auditing import reading
from daymark.auditing.reading import Bounds
from daymark.auditing.records import ById, Output, output
from daymark.bar import Bar
from processor.decide import ContactDay
from processor.records import Record, owner
from processor.traits import Clock, Property, property_of
from schemas import avro, lanes
from schemas.topics import Topics

BATCH: Final = 2_000  # claims per call: some milliseconds of the store's time
_NO_MARK: Final = bytes(4)  # of a topic that is gone: its records do not come again
_DAY_MS: Final = 86_400_000


class Batch(NamedTuple):
    """Contact-days with the owners that they must have, and properties with their clocks."""

    owners: Mapping[ContactDay, bytes]
    clocks: Mapping[Property, Clock]


class Commitments:
    """Reads the output topics up to their ends at the time of its creation."""

    def __init__(
        self,
        consumer: Consumer,
        ends: Mapping[str, Bounds],
        topics: Topics,
        incarnation: bytes,
        backfill_mark: bytes = b"",
        *,
        by_id: ById | None,
        bar: Bar,
    ) -> None:
        """Prepare.

        Args:
            consumer: made with `reading.CONFIG`.
            ends: the bounds of the output topics.
            topics: their names.
            incarnation: of segment.events, the mark of every owner of it.
            backfill_mark: of segment.backfill, if it is there.
            by_id: looks up a registry's schema.
            bar: shows progress.
        """
        self._consumer, self._ends, self._topics, self._by_id = consumer, ends, topics, by_id
        self._marks, self._bar = {False: incarnation, True: backfill_mark or _NO_MARK}, bar

    def interactions(self, now_ms: int, age: int) -> Iterator[Batch]:
        """Yield the claims of the records of one day, that many whole days ago.

        Raises:
            KafkaException: the topic cannot be read.
        """
        for some in self._batches(self._topics.interactions, avro.INTERACTION, now_ms, age):
            owners: dict[ContactDay, bytes] = {}
            for found in some:
                fields = found.fields
                contact_day = ContactDay(fields["workspace"], fields["email"], fields["day"])
                owners.setdefault(contact_day, self._owner(found))
            yield Batch(owners, {})

    def properties(self, now_ms: int, age: int) -> Iterator[Batch]:
        """Yield the clocks of the records of one day, that many whole days ago.

        Raises:
            KafkaException: the topic cannot be read.
        """
        for some in self._batches(self._topics.traits, avro.TRAIT, now_ms, age):
            clocks: dict[Property, Clock] = {}
            for found in some:
                fields = found.fields
                of = property_of(fields["workspace"], fields["email"], fields["name"])
                clock = Clock(fields["timestamp"], self._owner(found))
                if not clock.is_stale(clocks.get(of)):
                    clocks[of] = clock
            yield Batch({}, clocks)

    def _batches(self, topic: str, codec: avro.Codec, now_ms: int, age: int) -> Iterator[list[Output]]:
        until_ms = None if age == 0 else now_ms - age * _DAY_MS
        since_ms = now_ms - (age + 1) * _DAY_MS
        wanted = reading.between(self._consumer, topic, self._ends[topic], since_ms, until_ms)
        self._bar.expect(sum(end - first for first, end in wanted.values()))
        for messages in reading.records(self._consumer, topic, wanted):
            for start in range(0, len(messages), BATCH):
                some = messages[start : start + BATCH]
                yield [found for message in some if (found := self._output(message, codec))]
                self._bar.advance(f"{topic}, {age} days ago", len(some))

    def _output(self, message: Message, codec: avro.Codec) -> Output | None:
        if message.value() is not None:  # a tombstone
            with suppress(avro.UnreadableValue):
                return output(message, codec, self._by_id)
        return None

    def _owner(self, found: Output) -> bytes:
        fields = found.fields
        source = Record(fields["source_partition"], fields["source_offset"], None, b"", "", None, 0)
        return owner(self._marks[lanes.is_backfill(source.partition)], source)


class Day(NamedTuple):
    """What the store holds of a day's claims: their event's own, another event's, none."""

    age: int
    own: int = 0
    other: int = 0
    missing: int = 0

    @property
    def total(self) -> int:
        """All contact-days whose claims must be alive."""
        return self.own + self.other + self.missing


def compare(
    batches: Iterator[Batch], holders: Callable[[Mapping[ContactDay, bytes]], Sequence[bytes | None]], age: int
) -> Day:
    """Count the claims of a day by their holder in the store.

    Args:
        batches: of the day.
        holders: returns who holds contact-days now, or held them until they were claimed; None: nobody.
        age: of the day.
    """
    own = other = missing = 0
    for batch in batches:
        for wanted, held in zip(batch.owners.values(), holders(batch.owners), strict=True):
            if held is None:
                missing += 1
            elif held == wanted:
                own += 1
            else:
                other += 1
    return Day(age, own, other, missing)
