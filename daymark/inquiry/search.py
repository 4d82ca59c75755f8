"""Finds an event in the topics, and its results: reads a time range, without joining a group.

First the group's offsets, then the ends of the output topics, as in an audit: all results of events before those
offsets are read. A contact's events are searched only in the partition of its key; a message id does not determine the
partition, so all partitions are read for it.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Self

import msgspec
from confluent_kafka import Message

from daymark.auditing import reading
from daymark.auditing.raws import Raws
from daymark.auditing.reading import Bounds
from daymark.auditing.records import ById, forgotten, output, raw
from daymark.auditing.scope import Clients, Period
from daymark.auditing.truth import Truth, trait_key
from daymark.bar import Bar
from daymark.inquiry.fates import Evidence, Fate, Found, Record, fate, place
from daymark.inquiry.partitions import partition_of
from schemas import avro, contact, lanes
from schemas.identify import Identify
from schemas.topics import Topics

_DAY_MS: Final = 86_400_000


class Question(NamedTuple):
    """The subject of a search: a contact, by its normalised e-mail, or an event, by its message id."""

    email: str | None = None
    message_id: str | None = None
    workspace: str | None = None

    @classmethod
    def of(cls, text: str, workspace: str | None = None) -> Self:
        """Parse a person's words: an e-mail address if they are one, else a message id."""
        email = contact.normalise(text)
        return cls(email, None if email else text, workspace)


class Refused(msgspec.Struct, frozen=True):
    """A rejection by ingest, whose event never reached segment.events."""

    record: str
    refused_at_ms: int
    workspace: str | None
    reason: str
    message: str


class Answer(msgspec.Struct, frozen=True):
    """The result of a search.

    Attributes:
        events: the newest ones, in the order in which they were written.
        older: the number of further ones.
        refused: those that ingest rejected.
        read: the number of records read from each topic.
        lag: the number of events that the group has yet to commit in the partitions that were read.
        partitions: of segment.events that were read.
        since_ms: where reading began; later than requested if older records have been deleted.
    """

    events: tuple[Fate, ...]
    older: int
    refused: tuple[Refused, ...]
    read: Mapping[str, int]
    lag: int
    partitions: tuple[int, ...]
    since_ms: int


class Search:
    """One search of one cluster's topics."""

    def __init__(
        self,
        clients: Clients,
        topics: Topics,
        partitions: Mapping[str, Sequence[int]],
        truth: Truth,
        by_id: ById | None = None,
        *,
        lifetime_days: int = 8,
        bar: Bar | None = None,
    ) -> None:
        """Prepare a search.

        Args:
            clients: of one cluster; the first belongs to the workers' group.
            topics: their names.
            partitions: of each topic.
            truth: the workspaces as they are now.
            by_id: looks up a registry's schema.
            lifetime_days: of claims and clocks: how much older than a duplicate the first event of its day can be.
            bar: shows progress.
        """
        self._clients, self._topics, self._partitions = clients, topics, partitions
        self._truth, self._by_id, self._bar = truth, by_id, bar or Bar()
        self._lifetime_ms = (lifetime_days + 1) * _DAY_MS
        self._read: dict[str, int] = defaultdict(int)
        self._forgotten: set[bytes] = set()

    def ask(self, question: Question, period: Period, most: int, *, everywhere: bool = False) -> Answer:
        """Return what became of an event, or of all of a contact's.

        Args:
            question: a contact or an event.
            period: of the records of segment.events; it has a beginning.
            most: the maximum number of events; the newest are returned.
            everywhere: search every partition for a contact's events, too: another producer may have written them
                there, or the number of partitions has changed.

        Raises:
            KafkaException: a topic cannot be read.
        """
        topics, raws = self._topics, Raws(self._topics, self._partitions)
        committed = raws.committed(self._clients.committed)
        ends = {
            topic: reading.bounds(self._clients.uncommitted, topic, self._partitions[topic])
            for topic in (topics.interactions, topics.traits, topics.rejected)
        }
        there = raws.bounds(self._clients.uncommitted)
        stands = {number: there[number][0] if upto is None else upto for number, upto in committed.items()}
        if question.email and not everywhere:
            own = partition_of(question.email.encode(), len(self._partitions[topics.events]))
            there = {number: bounds for number, bounds in there.items() if lanes.own(number) == own}
        since_ms = period.since_ms or 0
        wanted = raws.between(self._clients.uncommitted, there, since_ms, period.until_ms)
        found, older = self._events(question, raws, wanted, most)
        rejections, refused = self._rejections(
            question,
            found,
            reading.between(self._clients.uncommitted, topics.rejected, ends[topics.rejected], since_ms),
        )
        outputs = self._outputs(found, ends, since_ms - self._lifetime_ms)
        evidence = Evidence(stands, *outputs, rejections, self._forgotten)
        lag = sum(max(0, end - max(first, stands[number])) for number, (first, end) in there.items())
        fates = tuple(fate(each, evidence, self._truth) for each in found)
        return Answer(
            fates, older, tuple(refused), dict(self._read), lag, tuple(sorted({*map(lanes.own, there)})), since_ms
        )

    def _events(self, question: Question, raws: Raws, wanted: Bounds, most: int) -> tuple[list[Found], int]:
        """Return the newest matching events, and the number of older ones."""
        newest: list[tuple[int, int, int, Found]] = []  # a heap: the oldest comes first
        count = 0
        for message, base in self._raw_messages(raws, wanted):
            if question.message_id and not _can_hold(question.message_id.encode(), message.value() or b""):
                continue
            record = raw(message, base)
            found = Found(record, self._truth.read(record))
            if question.workspace in {None, record.workspace} and _is_meant(question, found):
                count += 1
                item = record.appended_ms, record.partition, record.offset, found
                if len(newest) < most:
                    heapq.heappush(newest, item)
                else:
                    heapq.heappushpop(newest, item)
        return [each[-1] for each in sorted(newest)], count - len(newest)

    def _rejections(
        self, question: Question, found: Iterable[Found], wanted: Bounds
    ) -> tuple[dict[tuple[int, int], Record], list[Refused]]:
        """Return the rejections of the events, and matching rejections by ingest.

        Marks of erased contacts, which are in the same topic, are stored.
        """
        sources = {(each.raw.partition, each.raw.offset) for each in found}
        rejected, refused = {}, []
        for message in self._messages(self._topics.rejected, wanted):
            if message.value() is None and (mark := forgotten(message)):
                self._forgotten.add(mark.identity)
            record = self._output(message, avro.REJECTED)
            if record is None:
                continue
            fields = record.output.fields
            source = fields["source_partition"], fields["source_offset"]
            if source in sources:
                rejected[source] = record
            elif (
                fields["stage"] == "ingest"
                and question.workspace in {None, fields["workspace"]}
                and _names(question, fields["raw"])
            ):
                at = place(record.output.partition, record.output.offset)
                why = fields["workspace"], fields["reason"], fields["message"]
                refused.append(Refused(at, record.emitted_at_ms, *why))
        return rejected, sorted(refused, key=lambda each: each.refused_at_ms)

    def _outputs(
        self, found: Sequence[Found], ends: Mapping[str, Bounds], since_ms: int
    ) -> tuple[dict[bytes, list[Record]], dict[bytes, list[Record]]]:
        """Return the interactions of the events' contact-days and the records of their properties, by key."""
        identifies = [(each.raw, each.read) for each in found if isinstance(each.read, Identify)]
        ids = {self._truth.contact_day(*each)[0].encode() for each in identifies}
        names = {
            trait_key(raw.workspace, read.email, change.name) for raw, read in identifies for change in read.changes
        }
        near = {lanes.own(each.raw.partition) for each in found}
        topics = self._topics
        return (
            self._by_key(
                avro.INTERACTION, topics.interactions, ids, ends[topics.interactions], near=near, since_ms=since_ms
            ),
            self._by_key(avro.TRAIT, topics.traits, names, ends[topics.traits], near=near, since_ms=since_ms),
        )

    def _by_key(
        self, codec: avro.Codec, topic: str, keys: set[bytes], ends: Bounds, *, near: Iterable[int], since_ms: int
    ) -> dict[bytes, list[Record]]:
        """Return the records of some keys: from their events' partitions, and from the others if not found there."""
        kept: dict[bytes, list[Record]] = defaultdict(list)
        others = ends.keys() - near
        for places in (ends.keys() - others, others):
            wanted = keys - kept.keys()
            if not wanted:
                break
            stretch = reading.between(
                self._clients.uncommitted, topic, {number: ends[number] for number in places}, since_ms
            )
            for message in self._messages(topic, stretch):
                key = message.key()
                if not isinstance(key, bytes) or key not in wanted:
                    continue
                if message.value() is None:
                    kept.pop(key, None)
                elif record := self._output(message, codec):
                    kept[key].append(record)
        return kept

    def _raw_messages(self, raws: Raws, wanted: Bounds) -> Iterator[tuple[Message, int]]:
        self._bar.expect(sum(end - first for first, end in wanted.values()))
        self._read[self._topics.events] = 0
        for some in raws.records(self._clients.committed, wanted):
            yield from ((message, some.base) for message in some.messages)
            self._read[some.topic] += len(some.messages)
            self._bar.advance(f"Reading {some.topic}", len(some.messages))

    def _messages(self, topic: str, wanted: Bounds) -> Iterator[Message]:
        self._bar.expect(sum(end - first for first, end in wanted.values()))
        for batch in reading.records(self._clients.committed, topic, wanted):
            yield from batch
            self._read[topic] += len(batch)
            self._bar.advance(f"Reading {topic}", len(batch))

    def _output(self, message: Message, codec: avro.Codec) -> Record | None:
        if message.value() is not None:  # a tombstone
            with suppress(avro.UnreadableValue):
                return Record(output(message, codec, self._by_id), message.timestamp()[1])
        return None


def _can_hold(message_id: bytes, value: bytes) -> bool:
    """A quick check whether an event may have an id: its bytes contain it, or an escape that might spell it."""
    return message_id in value or b"\\" in value


def _is_meant(question: Question, found: Found) -> bool:
    """Whether an event matches. An unreadable one does if it has the contact's key."""
    if isinstance(found.read, Identify):
        return question.email == found.read.email if question.email else question.message_id == found.read.message_id
    key = question.email.encode() if question.email else None
    return (key is not None and found.raw.key == key) or _names(question, found.raw.value)


def _names(question: Question, body: bytes) -> bool:
    """Whether the bytes of an unreadable event contain what is searched for."""
    if question.email:
        return question.email.encode() in body.lower()
    return (question.message_id or "").encode() in body
