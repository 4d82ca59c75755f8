"""Reads segment.rejected: dead letters, and the marks of those that were resent.

A mark is a record without a value in the partition of its dead letter, after it, whose header `resent` is the letter's
offset. So both are found in one pass, the mark outlives its letter, and readers that skip tombstones do not see it.
"""

from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import Consumer, Message

from daymark.auditing import reading
from daymark.auditing.reading import Bounds
from daymark.auditing.records import ById, coordinates, output
from daymark.bar import Bar
from schemas import avro
from schemas.headers import headers_of

HEADER_RESENT: Final = "resent"
_HOUR_MS: Final = 3_600_000


class Letter(msgspec.Struct, frozen=True):
    """A rejected event: the coordinates, timestamp and content of its record (contract, section 6)."""

    partition: int
    offset: int
    rejected_ms: int
    key: bytes | None
    reason: str
    message: str
    stage: str
    workspace: str | None
    raw: bytes
    received_at_ms: int | None
    source: tuple[int, int] | None

    @property
    def place(self) -> str:
        """The coordinates of its record, as commands accept them."""
        return f"{self.partition}:{self.offset}"

    @property
    def hour_ms(self) -> int:
        """The hour in which it was rejected, in epoch milliseconds."""
        return self.rejected_ms - self.rejected_ms % _HOUR_MS


class Wanted(NamedTuple):
    """A filter of letters; None: any."""

    reason: str | None = None
    workspace: str | None = None
    stage: str | None = None
    places: Container[tuple[int, int]] | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether a letter matches."""
        return (
            self.reason in {None, letter.reason}
            and self.workspace in {None, letter.workspace}
            and self.stage in {None, letter.stage}
            and (self.places is None or (letter.partition, letter.offset) in self.places)
        )


class Marks:
    """The letters that were resent: their offsets, by partition."""

    def __init__(self) -> None:
        self._offsets: dict[int, set[int]] = {}

    def note(self, message: Message) -> None:
        """Store a record if it is a mark."""
        if message.value() is not None:
            return
        with suppress(ValueError, SystemError):  # another application's headers
            for name, text in headers_of(message) or ():
                if name == HEADER_RESENT and text:
                    self._offsets.setdefault(coordinates(message)[0], set()).add(int(text))

    def __contains__(self, at: tuple[int, int]) -> bool:
        return at[1] in self._offsets.get(at[0], ())


class Reader:
    """Reads a range of segment.rejected, any number of times."""

    def __init__(self, consumer: Consumer, topic: str, stretch: Bounds, by_id: ById | None, bar: Bar) -> None:
        """Prepare.

        Args:
            consumer: made with `reading.CONFIG`.
            topic: of the rejected events.
            stretch: the range of offsets in each partition.
            by_id: looks up a registry's schema.
            bar: shows progress.
        """
        self._consumer, self._topic, self._stretch = consumer, topic, stretch
        self._by_id, self._bar = by_id, bar
        self.unreadable = 0

    @property
    def records(self) -> int:
        """The number of offsets to read."""
        return sum(end - first for first, end in self._stretch.values())

    def note(self, marks: Marks) -> None:
        """Read the marks.

        Raises:
            KafkaException: the topic cannot be read.
        """
        for message in self._messages("Reading marks"):
            marks.note(message)

    def letters(self, wanted: Wanted) -> Iterator[Letter]:
        """Yield the matching letters, each partition's in order.

        Raises:
            KafkaException: the topic cannot be read.
        """
        self.unreadable = 0
        for message in self._messages("Reading rejections"):
            if message.value() is not None:
                letter = self._letter(message)
                if letter is not None and wanted.fits(letter):
                    yield letter

    def _messages(self, doing: str) -> Iterator[Message]:
        self._bar.expect(self.records)
        for batch in reading.records(self._consumer, self._topic, self._stretch):
            yield from batch
            self._bar.advance(doing, len(batch))

    def _letter(self, message: Message) -> Letter | None:
        try:
            found = output(message, avro.REJECTED, self._by_id)
        except avro.UnreadableValue:
            self.unreadable += 1
            return None
        return _letter(found.partition, found.offset, message.timestamp()[1], found.key, found.fields)


def _letter(partition: int, offset: int, rejected_ms: int, key: bytes | None, fields: Mapping[str, object]) -> Letter:
    source = fields["source_partition"], fields["source_offset"]
    return msgspec.convert(
        {
            "partition": partition,
            "offset": offset,
            "rejected_ms": rejected_ms,
            "key": key,
            "received_at_ms": fields["received_at"],
            "source": None if None in source else source,
            **{name: fields[name] for name in ("reason", "message", "stage", "workspace", "raw")},
        },
        Letter,
    )
