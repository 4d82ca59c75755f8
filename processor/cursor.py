"""How far a consumer has read one topic: the driver's messages become records, in order and without repetition.

Invariant: nothing that was committed is handed out again, and nothing is missed after going back. Partitions have their
numbers of `schemas.lanes`.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from processor.errors import SessionLost
from processor.gaps import Gaps
from processor.heard import Heard
from processor.message import as_they_come, to_record, unreadable
from processor.offsets import Offsets
from processor.records import Record
from schemas import lanes

_UNREADABLE: Final = "_BAD_COMPRESSION"  # a batch that is longer, decompressed, than `receive.message.max.bytes`

log = structlog.get_logger()


class Cursor:
    """The positions in the partitions of one topic."""

    def __init__(self, consumer: Consumer, topic: str, heard: Heard, base: int = 0) -> None:
        """Begin without a partition.

        Args:
            consumer: whose messages are read.
            topic: their topic.
            heard: takes errors that come in place of messages.
            base: added to the number of each message's partition.
        """
        self._consumer, self._topic, self._heard, self._base = consumer, topic, heard, base
        self.offsets = Offsets(consumer, topic, base)
        self.gaps = Gaps(self.offsets)
        self._next: dict[int, int] = {}  # what this member has committed: nothing before it is handed out again
        self._due: dict[int, int] = {}  # after going back: the offset that must come next

    def records(self, messages: Sequence[Any], ours: set[int]) -> list[Record]:
        """Return the records of some partitions that messages are.

        Raises:
            SessionLost: going back did not go back, or the consumer cannot continue.
            Fatal: likewise.
        """
        as_usual = None if self._due else as_they_come(messages, ours, self._next, self._base)
        return as_usual or self._in_order(messages, ours)

    def committed(self, next_offsets: Mapping[int, int]) -> None:
        """Note what is committed; partitions of another lane are not ours."""
        is_ours = lanes.is_backfill(self._base)
        self._next.update({at: offset for at, offset in next_offsets.items() if lanes.is_backfill(at) == is_ours})

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Go back to some offsets, which come next then; negative ones are the driver's, such as OFFSET_BEGINNING.

        Raises:
            SessionLost: the driver cannot.
        """
        for partition, offset in offsets.items():
            self._seek_to(partition, offset)
            if offset >= 0:
                self._due[partition] = offset

    def forget(self, partitions: Iterable[int]) -> None:
        """Forget the positions in partitions that came or went."""
        for partition in partitions:
            self._next.pop(partition, None)
            self._due.pop(partition, None)

    def places(self, partitions: Iterable[int]) -> list[TopicPartition]:
        """Return partitions as the driver has them."""
        return [TopicPartition(self._topic, lanes.own(partition)) for partition in sorted(partitions)]

    def _in_order(self, messages: Iterable[Any], ours: Container[int]) -> list[Record]:
        """Return the records of some partitions.

        Drop what was committed before (after a rebalance a fetch can begin behind it), miss nothing after a rewind.
        """
        kept: list[Record] = []
        upto = {**self._next, **self._due}
        skipped: set[int] = set()
        for message in messages:
            error, partition, offset = message.error(), self._base + message.partition(), message.offset()
            if partition in skipped:
                continue
            if error is not None and error.name() == _UNREADABLE and partition in ours:
                kept.append(self._skip(message, partition, upto.get(partition)))
                skipped.add(partition)
            elif error is not None:
                self._heard.meet(error)
            elif partition in ours:
                expected = upto.get(partition, offset)
                if offset < expected:
                    self.gaps.check_behind(partition, expected)
                    continue
                if self._due and offset > self._due.pop(partition, offset):
                    raise SessionLost(
                        f"partition {lanes.name(partition)} was sought back to {expected}, but continued at {offset}"
                    )
                if offset > expected:
                    self.gaps.missed(partition, expected, offset)
                kept.append(to_record(message, partition, offset))
                upto[partition] = offset + 1
        return kept

    def _skip(self, message: Any, partition: int, position: int | None) -> Record:
        """Skip a record that cannot be decompressed, and return a placeholder for it.

        The driver names the first offset of the record's batch, each time: they are skipped one after the other.
        """
        if position is None:
            position = self.offsets.committed([partition])[partition]
        offset = max(message.offset(), position)
        self._due.pop(partition, None)
        self._seek_to(partition, offset + 1)
        named = lanes.name(partition)
        log.error("record.unreadable", partition=named, offset=offset, error=message.error().str())
        return unreadable(message, partition, offset)

    def _seek_to(self, partition: int, offset: int) -> None:
        try:
            self._consumer.seek(TopicPartition(self._topic, lanes.own(partition), offset))
        except KafkaException as error:
            named = lanes.name(partition)
            raise SessionLost(f"partition {named} cannot be read from {offset}: {error.args[0].str()}") from error
