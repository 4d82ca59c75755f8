"""Follows the output topics, and keeps the store up to date: the loop (its steps are numbered in `_follow`).

Where it goes on is in the store alone, written with the rows. So a kill at any instruction loses and doubles nothing,
and a wiped store is filled again from what the topics still hold. While another process reads into the same database,
this one stands by.
"""

from collections.abc import Callable, Mapping
from threading import Event
from typing import Final, NamedTuple

import structlog

from timeline.records import Records, Unreadable
from timeline.source import KafkaDown, Record, Source, Span
from timeline.store.batches import Batch, Place, Reach
from timeline.store.database import StoreDown
from timeline.store.writing import Moved, Writer

log = structlog.get_logger()

BATCH: Final = 20_000  # records in one transaction; what a commit costs is little then
_WAIT_S: Final = 0.25
_SURVEY_MS: Final = 10_000  # how often topics, partitions and ends are looked at
_AGAIN_S: Final = 2.0
_STAND_BY_S: Final = 5.0


class Kinds(NamedTuple):
    """What comes of each topic: the topics' names, by what `Writer.wipe` calls their rows."""

    interactions: str
    properties: str
    rejections: str


class Reader:
    """Reads until it is told to stop."""

    def __init__(
        self,
        source: Source,
        writer: Writer,
        records: Records,
        kinds: Kinds,
        *,
        clock: Callable[[], int],
        stop: Event,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            source: of the topics.
            writer: of the store.
            records: which turns one into the other.
            kinds: the topics.
            clock: returns the time, in epoch ms.
            stop: set when it is to end.
        """
        self._source, self._writer, self._records, self._kinds = source, writer, records, kinds
        self._clock, self._stop = clock, stop
        self._next: dict[Place, int] = {}  # what the store has
        self._spans: dict[Place, Span] = {}
        self._short: set[Place] = set()  # partitions that ended before what the store has, at the last look
        self._surveyed_ms = 0

    def run(self) -> None:
        """Read; begin again, from what the store has, after whatever went wrong."""
        while not self._stop.is_set():
            try:
                self._next = {}  # whatever was taken and not written is read again
                self._follow()
            except Moved:
                log.info("reader.stood_by", seconds=_STAND_BY_S)
                self._stop.wait(_STAND_BY_S)
            except (KafkaDown, StoreDown) as error:
                log.warning("reading.interrupted", kind=type(error).__name__, reason=str(error))
                self._stop.wait(_AGAIN_S)

    def _follow(self) -> None:
        # 1. Where the store is, and what the topics hold; whatever was made anew is read from its beginning.
        self._survey()
        while not self._stop.is_set():
            # 2. A batch of records: whatever is there. Nothing of it is in the store yet.
            batch = self._batch()
            # 3. Rows and offsets, in one transaction, unless another process was quicker.
            if batch.reach:
                self._writer.write(batch, self._clock())
                # 4. Only now are they behind us.
                self._next |= {place: reach.upto for place, reach in batch.reach.items()}
            if self._clock() - self._surveyed_ms >= _SURVEY_MS:
                self._survey()

    def _batch(self) -> Batch:
        batch = Batch()
        for record in self._source.take(BATCH, _WAIT_S):
            first = self._next.get(record.place)
            if first is None or record.offset < first:
                continue  # of an assignment of before
            if not record.is_end:
                self._add(batch, record)
            reach = batch.reach.get(record.place)
            upto = max(record.offset + (not record.is_end), first if reach is None else reach.upto)
            if upto > first:  # the end of what is in the store already is no news
                span = self._spans[record.place]
                batch.reach[record.place] = Reach(first, upto, max(span.end, upto), span.topic_id)
        return batch

    def _add(self, batch: Batch, record: Record) -> None:
        try:
            self._records.add(batch, record)
        except Unreadable as error:
            topic, partition = record.place
            log.warning("record.skipped", topic=topic, partition=partition, offset=record.offset, reason=str(error))

    def _survey(self) -> None:
        """Look at the topics; begin or go on where the store is, if that is not where reading is already."""
        spans, stands = self._source.survey(), self._writer.stands()
        if self._wipe_made_anew(spans, stands):
            stands = self._writer.stands()
        self._prune(spans)
        self._writer.survey({place: (span.end, span.topic_id) for place, span in spans.items()}, self._clock())
        wanted = {place: stands.get(place, (0, ""))[0] for place in spans}
        self._spans, self._surveyed_ms = spans, self._clock()
        if wanted != self._next:
            self._say_gaps(spans, wanted)
            self._next = wanted
            self._source.read_from({place: max(first, spans[place].first) for place, first in wanted.items()})
            log.info("reading.begun", partitions=len(wanted), records=_behind(spans, wanted))

    def _wipe_made_anew(self, spans: Mapping[Place, Span], stands: Mapping[Place, tuple[int, str]]) -> bool:
        """Remove what came of topics that are not those that were read; return whether there are any.

        A topic has another id when it was made anew. Ends that are twice before what the store has mean that records
        were lost with their brokers: what came of them would stay for ever.
        """
        short = {place for place, (first, _) in stands.items() if place in spans and spans[place].end < first}
        anew = {place[0] for place, (_, known) in stands.items() if place in spans and spans[place].topic_id != known}
        lost = {place[0] for place in short & self._short} - anew
        self._short = short
        for topic in sorted(anew | lost):
            what = "was made anew" if topic in anew else "has lost records with its brokers"
            name = next(name for name, of in self._kinds._asdict().items() if of == topic)
            self._writer.wipe(topic, name, f"{topic} {what}: it is read again from its beginning", self._clock())
            log.warning("topic.replaced", topic=topic)
        return bool(anew | lost)

    def _say_gaps(self, spans: Mapping[Place, Span], wanted: Mapping[Place, int]) -> None:
        """Say which records retention deleted before they were read; of compacted topics nothing newer is lost."""
        for place, first in wanted.items():
            if 0 < first < spans[place].first and place[0] != self._kinds.properties:
                topic, partition = place
                missed = f"{topic}, partition {partition}: records {first} to {spans[place].first - 1}"
                self._writer.note(f"{missed} were deleted before they were read", self._clock())
                log.warning("records.missed", topic=topic, partition=partition, records=spans[place].first - first)

    def _prune(self, spans: Mapping[Place, Span]) -> None:
        known = self._spans
        firsts = {
            partition: span.first
            for (topic, partition), span in spans.items()
            if topic == self._kinds.rejections
            and (known.get((topic, partition)) or span._replace(first=0)).first != span.first
        }
        if firsts:
            self._writer.prune(firsts)


def _behind(spans: Mapping[Place, Span], wanted: Mapping[Place, int]) -> int:
    return sum(max(0, span.end - max(span.first, wanted[place])) for place, span in spans.items())
