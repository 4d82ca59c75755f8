"""The ledger of an audit: stores every record as facts, and passes them to `judging` once everything is read.

Outputs are read first, so that only events with a result need a fact of their content. Memory stays bounded: facts are
on disk, events take one bit each in memory, and the caches here are cleared when full.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from confluent_kafka import Message

from daymark.auditing import judging, truth
from daymark.auditing.buckets import Buckets, Limits
from daymark.auditing.facts import DAYS, PROPERTIES, SOURCES, DayFact, Kind, PropertyFact, SourceFact, content, prints
from daymark.auditing.findings import Count, Counted, Example, Fault, Finding, Note, Tally, place
from daymark.auditing.reach import Reach, Stretch
from daymark.auditing.records import ById, Output, Raw, coordinates, forgotten, output, raw
from schemas import avro
from schemas.forgotten import Thing, property_identity
from schemas.identify import Identify
from schemas.rejections import Rejection

_LIMITS: Final = Limits()


class Reading(NamedTuple):
    """How records are read: what an event requires, and how a registry's schemas are looked up."""

    truth: truth.Truth
    by_id: ById | None = None


class Ledger:
    """The facts of one audit. The outputs must be added before the events."""

    def __init__(
        self,
        folder: Path,
        reach: Reach,
        reading: Reading,
        tally: Tally,
        limits: Limits = _LIMITS,
        *,
        known: Callable[[bytes], DayFact | None] = lambda _: None,
    ) -> None:
        """Begin without facts.

        Args:
            folder: empty, for the facts.
            reach: the events that will be added.
            reading: of their records.
            tally: counts unreadable records, and in the end the verdicts.
            limits: of memory.
            known: returns what was emitted of a contact-day in outputs that are not added.
        """
        self._known = known
        self._days, self._sources, self._properties = (
            Buckets(folder, layout, reach.records, limits) for layout in (DAYS, SOURCES, PROPERTIES)
        )
        (self._truth, self._by_id), self._tally = reading, tally
        self._marks = _Marks(reach.stretches)
        self._seen: set[tuple[str, int]] = set()
        self._pending: set[bytes] = set()  # contact-days and properties
        self._remembered = limits.remembered
        self._changed, self._last = (_Newest(self._properties, limits.remembered) for _ in range(2))

    @property
    def bytes(self) -> int:
        """The number of bytes written to disk."""
        return self._days.bytes + self._sources.bytes + self._properties.bytes

    def interaction(self, message: Message) -> None:
        """Add a record of timeline.interactions."""
        found = self._output(message, avro.INTERACTION)
        if found is not None:
            source, at = _source(found), (found.partition, found.offset)
            printed = prints(truth.interaction_found(found))
            self._days.add(_id_bytes(found.fields["interaction_id"]), Kind.INTERACTION, *source, content(printed), *at)
            self._sources.add(*source, Kind.INTERACTION, printed, *at)
            self._marks.add(*source)

    def rejection(self, message: Message) -> None:
        """Add a record of segment.rejected. What ingest rejected was never an event; marks are of erased contacts."""
        if message.value() is None:
            self._forgotten(message)
            return
        found = self._output(message, avro.REJECTED)
        if found is None:
            return
        source = _source(found)
        if found.fields["stage"] == "ingest":
            self._tally.take([Counted(Count.REJECTIONS_OF_INGEST)])
        elif None in source:
            example = Example(at=place(found.partition, found.offset), why="it names no event")
            self._tally.take([Fault(Finding.REJECTION_EXTRA, example)])
        else:
            printed = prints(truth.rejection_found(found))
            self._sources.add(*source, Kind.REJECTED, printed, found.partition, found.offset)
            self._marks.add(*source)

    def trait(self, message: Message) -> None:
        """Add a record of contact.traits."""
        found = self._output(message, avro.TRAIT)
        if found is not None:
            fields, at = found.fields, (found.partition, found.offset)
            identity = property_identity(truth.trait_key(fields["workspace"], fields["email"], fields["name"]))
            printed = prints(truth.trait_found(found))
            fact = PropertyFact(identity, Kind.TRAIT, *_source(found), fields["timestamp"], printed, *at)
            self._last.keep((identity, found.partition), (found.offset, 0), fact)

    def event(self, message: Message, base: int = 0) -> None:
        """Add a raw record. Those of a partition come in order; `base` is added to the number of theirs."""
        record = raw(message, base)
        found = self._truth.read(record)
        if isinstance(found, Rejection):
            printed = prints(truth.rejection(record, found))
            self._sources.add(record.partition, record.offset, Kind.REJECTION, printed, 0, 0)
            return
        self._contact_day(record, found)
        for change in found.changes:
            values = truth.trait(record, found, change)
            identity, at = property_identity(values[-1]), (record.partition, record.offset)
            fact = PropertyFact(identity, Kind.EVENT, *at, found.timestamp_ms, prints(values))
            self._changed.keep((identity, record.partition), (found.timestamp_ms, record.offset), fact)

    def pending(self, message: Message, base: int) -> None:
        """Add a raw record of a backfill that is not committed, but may have claimed its day."""
        record = raw(message, base)
        found = self._truth.read(record)
        if isinstance(found, Identify):
            self._pending.add(_id_bytes(self._truth.contact_day(record, found)[0]))
            self._pending.update(property_identity(truth.trait(record, found, each)[-1]) for each in found.changes)

    def judge(self, reach: Reach, *, replays: bool) -> Iterator[None]:
        """Judge everything; yield after each contact-day, event and property."""
        self._changed.forget()
        self._last.forget()
        pending = self._pending
        days = (
            judging.day([*map(DayFact._make, group)], replays=replays, pending=pending) for group in self._days.groups()
        )
        yield from self._judged(days)
        sources = (
            judging.source([*map(SourceFact._make, group)], reach, replays=replays) for group in self._sources.groups()
        )
        yield from self._judged(sources)
        properties = (
            judging.property_([*map(PropertyFact._make, group)], reach, pending) for group in self._properties.groups()
        )
        yield from self._judged(properties)

    def _judged(self, judged: Iterator[Iterator[Note]]) -> Iterator[None]:
        for notes in judged:
            self._tally.take(notes)
            yield

    def _contact_day(self, record: Raw, identify: Identify) -> None:
        identity, day = self._truth.contact_day(record, identify)
        at = record.partition, record.offset
        # Only the first event of a contact-day counts: repeats that follow soon are skipped here.
        if (identity, record.partition) not in self._seen:
            if len(self._seen) >= self._remembered:
                self._seen.clear()
            self._seen.add((identity, record.partition))
            self._days.add(_id_bytes(identity), Kind.EVENT, *at, 0, 0, 0)
            if fact := self._known(_id_bytes(identity)):
                self._days.add(*fact)
        if at in self._marks:
            printed = prints(self._truth.interaction(record, identify, identity, day))
            self._sources.add(*at, Kind.EVENT, printed, 0, 0)

    def _forgotten(self, message: Message) -> None:
        at, found = coordinates(message)[0], forgotten(message)
        if found is None:
            return
        if found.thing is Thing.INTERACTION:
            self._days.add(found.identity, Kind.FORGOTTEN, at, found.next_event, 0, at, found.tombstone)
        else:
            partition, offset = found.next_place(at)
            fields = offset, found.timestamp_ms, b"", at, found.tombstone
            self._properties.add(found.identity, Kind.FORGOTTEN, partition, *fields)

    def _output(self, message: Message, codec: avro.Codec) -> Output | None:
        if message.value() is None:
            return None  # a tombstone
        with suppress(avro.UnreadableValue):
            return output(message, codec, self._by_id)
        example = Example(at=place(*coordinates(message)), why=str(message.topic()))
        self._tally.take([Fault(Finding.UNREADABLE, example)])
        return None


class _Marks:
    """One bit per event that is read: whether it has a result."""

    def __init__(self, stretches: Mapping[int, Stretch]) -> None:
        self._firsts = {partition: stretch.first for partition, stretch in stretches.items()}
        self._bits = {partition: bytearray(stretch.records // 8 + 1) for partition, stretch in stretches.items()}

    def add(self, partition: int, offset: int) -> None:
        bits, index = self._bits.get(partition, b""), offset - self._firsts.get(partition, 0)
        if isinstance(bits, bytearray) and 0 <= index < len(bits) * 8:
            bits[index >> 3] |= 1 << (index & 7)

    def __contains__(self, at: tuple[int, int]) -> bool:
        index = at[1] - self._firsts[at[0]]
        return bool(self._bits[at[0]][index >> 3] >> (index & 7) & 1)


class _Newest:
    """The newest fact of each key: older ones that follow soon are dropped. Spills to disk when full."""

    def __init__(self, buckets: Buckets, most: int) -> None:
        self._buckets, self._most = buckets, most
        self._facts: dict[tuple[bytes, int], tuple[tuple[int, int], PropertyFact]] = {}

    def keep(self, key: tuple[bytes, int], age: tuple[int, int], fact: PropertyFact) -> None:
        held = self._facts.get(key)
        if held is None and len(self._facts) >= self._most:
            self.forget()
        if held is None or age > held[0]:
            self._facts[key] = age, fact

    def forget(self) -> None:
        for _, fact in self._facts.values():
            self._buckets.add(*fact)
        self._facts.clear()


def _source(found: Output) -> tuple[int, int]:
    return found.fields["source_partition"], found.fields["source_offset"]


def _id_bytes(identity: str) -> bytes:
    return bytes.fromhex(identity.replace("-", ""))
