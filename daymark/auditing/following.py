"""The audit of a live cluster: in cycles, each of the events that the group has committed since the last one.

Each cycle is an audit of those events, with the same ledger and judges, which also know the contact-days of earlier
cycles. Outputs are read from the end of the cycle before the last: a record of an event that was not committed at the
last cycle lies after that, since transactions open then had ended before the group's offsets were queried.

Emissions are compared with the remembered ones (`known`): the same emission again is correct only where the group was
reset. Properties are not judged: that takes an audit of the whole topic.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from uuid import UUID

from confluent_kafka import Message

from daymark.auditing import reading, truth
from daymark.auditing.checkpoint import Checkpoint, Checkpoints
from daymark.auditing.facts import DayFact, Kind, content, prints
from daymark.auditing.findings import Example, Fault, Finding, Tally, place
from daymark.auditing.known import LOST, Emission, Known, signed
from daymark.auditing.ledger import Ledger, Reading
from daymark.auditing.raws import Raws
from daymark.auditing.reach import Reach, stretch
from daymark.auditing.reading import Bounds
from daymark.auditing.records import coordinates, forgotten, output
from daymark.auditing.resets import Resets
from daymark.auditing.scope import Clients, NothingCommitted
from daymark.bar import Bar
from schemas import avro
from schemas.forgotten import Thing
from schemas.topics import Topics

_DAY_MS: Final = 86_400_000
_PRUNE_S: Final = 3600.0  # it reads all that is remembered
_MOST_EXAMPLES: Final = 10_000  # per finding and cycle: lost contact-days are reported once
# Findings that are better derived from emissions than from one cycle's facts, and those that one cycle cannot show.
_LEFT_OUT: Final = {
    Finding.DOUBLED,
    Finding.REJECTION_DOUBLED,
    Finding.TRAIT_MISSING,
    Finding.TRAIT_STALE,
    Finding.TRAIT_WRONG,
    Finding.TRAIT_UNKNOWN,
    Finding.RETURNED,
}


class Cycle(NamedTuple):
    """The result of a cycle: events judged, findings, the number of each example, and the lag.

    `again` counts records that are rightly there again, because the group was reset.
    """

    events: int
    faults: Counter[Finding]
    examples: Sequence[tuple[Finding, Example]]
    again: int
    lag: int


class Follower:
    """Follows one group. Every call may raise KafkaException; the next call then does the work of the failed one."""

    def __init__(
        self,
        clients: Clients,
        topics: Topics,
        partitions: Mapping[str, Sequence[int]],
        read: Reading,
        folder: Path,
        *,
        claim_days: int,
        checkpoints: Checkpoints,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            clients: of one cluster; the first belongs to the group.
            topics: their names.
            partitions: of each topic.
            read: how records are read.
            folder: empty, for the database of remembered emissions.
            claim_days: how long claims live.
            checkpoints: where it goes on from; closed with it.
        """
        self._checkpoints = checkpoints
        self._clients, self._topics, self._partitions, self._read = clients, topics, partitions, read
        self._raws = Raws(topics, partitions)
        self._folder, self._lifetime_ms = folder, claim_days * _DAY_MS
        self.known = Known(folder / "known", self._lifetime_ms)
        self._judged: dict[int, int] = {}  # up to which events are judged
        self._ends: list[Mapping[str, Bounds]] = []  # of the outputs, at the end of the last two cycles
        self._gap: Mapping[str, Bounds] = {}  # of the outputs, at the start: up to there nobody saw a reset
        self._resets = Resets({})
        self._own: list[Fault] = []  # emissions, until the cycle that saw them is complete
        self._again = self._back = 0
        self._pruned = time.monotonic()

    def prime(self, bar: Bar) -> None:
        """Learn what was emitted within the claims' lifetime, up to the last checkpoint, where it goes on.

        Without a checkpoint, what the group has committed so far is not judged.
        """
        point, stands, ends = self._checkpoints.load(), self._stands(), self._bounds()
        self._judged, self._ends, self._gap = dict(stands), [ends, ends], ends
        if point is not None and point.fits(self._raws.bounds(self._clients.uncommitted), ends):
            self._judged = dict(point.judged)
            self._ends = [_bounds(point.before), _bounds(point.last)]
        since_ms = time.time_ns() // 1_000_000 - self._lifetime_ms - _DAY_MS
        for topic in (self._topics.interactions, self._topics.rejected):
            there = {number: (ends[topic][number][0], end) for number, (_, end) in self._ends[-1][topic].items()}
            wanted = reading.between(self._clients.uncommitted, topic, there, since_ms)
            bar.expect(sum(max(0, end - first) for first, end in wanted.values()))
            for batch in reading.records(self._clients.committed, topic, wanted):
                self.known.put(found for message in batch if (found := self._emission(topic, message)))
                bar.advance(f"Reading {topic}", len(batch))
        self._resets = Resets({number: max(stand, self._judged[number]) for number, stand in stands.items()})
        self.note()

    def look(self) -> int:
        """Query the group's offsets; return in how many partitions it was reset."""
        back, self._back = self._back + self._resets.look(self._stands()), 0
        return back

    def cycle(self) -> Cycle:
        """Judge what the group has committed since the last cycle."""
        self._back += self._resets.look(self._stands())  # counted with the next look
        ends = self._bounds()
        there = self._raws.bounds(self._clients.uncommitted)
        reach = Reach(
            {
                number: stretch(bounds, self._resets.furthest[number], self._judged.get(number))
                for number, bounds in there.items()
            }
        )
        tally = Tally(_MOST_EXAMPLES)
        with TemporaryDirectory(dir=self._folder) as folder:
            ledger = Ledger(Path(folder), reach, self._read, tally, known=self._day)
            self._take_outputs(ledger, ends)
            self._take_events(ledger, reach)
            self._take_pending(ledger, there)
            for _ in ledger.judge(reach, replays=True):
                pass
        self._ends = [self._ends[-1], ends]
        self._judged = {number: part.next for number, part in reach.stretches.items()}
        self._give_up(tally.examples.get(Finding.LOST, ()))
        if time.monotonic() - self._pruned > _PRUNE_S:
            self.known.forget_before(time.time_ns() // 1_000_000)
            self._pruned = time.monotonic()
        return self._told(tally, reach)

    def note(self) -> None:
        """Keep a checkpoint: what is judged so far has been reported."""
        before, last = (
            {topic: {number: end for number, (_, end) in bounds.items()} for topic, bounds in ends.items()}
            for ends in self._ends
        )
        self._checkpoints.save(Checkpoint(self._judged, before, last))

    def close(self) -> None:
        """Close the database of remembered emissions, and the client of checkpoints."""
        self.known.close()
        self._checkpoints.close()

    def _told(self, tally: Tally, reach: Reach) -> Cycle:
        """Return the completed cycle, and begin the next one's list of examples."""
        own, again, self._own, self._again = self._own, self._again, [], 0
        faults = Counter({finding: count for finding, count in tally.faults.items() if finding not in _LEFT_OUT})
        faults.update(fault.finding for fault in own)
        examples = [(name, each) for name, some in tally.examples.items() if name not in _LEFT_OUT for each in some]
        examples += [(fault.finding, fault.example) for fault in own]
        return Cycle(reach.records, faults, examples, again, reach.lag)

    def _stands(self) -> dict[int, int]:
        stands = self._raws.committed(self._clients.committed)
        if all(stand is None for stand in stands.values()):
            raise NothingCommitted
        return {number: stand or 0 for number, stand in stands.items()}

    def _bounds(self) -> dict[str, Bounds]:
        return {
            topic: reading.bounds(self._clients.uncommitted, topic, self._partitions[topic])
            for topic in (self._topics.interactions, self._topics.rejected)
        }

    def _take_outputs(self, ledger: Ledger, ends: Mapping[str, Bounds]) -> None:
        """Read the outputs since the cycle before the last; compare new ones with the remembered emissions."""
        topics = self._topics
        for topic, take in ((topics.interactions, ledger.interaction), (topics.rejected, ledger.rejection)):
            before, last = (bounds[topic] for bounds in self._ends)
            wanted = {number: (max(first, before[number][1]), end) for number, (first, end) in ends[topic].items()}
            for batch in reading.records(self._clients.committed, topic, wanted):
                for message in batch:
                    take(message)
                    found = self._emission(topic, message)
                    partition, offset = coordinates(message)
                    if found is not None and offset >= last[partition][1]:
                        self._compare(topic, found)

    def _take_events(self, ledger: Ledger, reach: Reach) -> None:
        wanted = {number: (part.first, part.next) for number, part in reach.stretches.items()}
        for some in self._raws.records(self._clients.committed, wanted):
            for message in some.messages:
                ledger.event(message, some.base)

    def _take_pending(self, ledger: Ledger, there: Bounds) -> None:
        """Take what a backfill may have claimed and has not committed, though the group has gone on since."""
        for some in self._raws.pending(self._clients.committed, self._resets.furthest, there):
            for message in some.messages:
                ledger.pending(message, some.base)

    def _compare(self, topic: str, found: Emission) -> None:
        before = self.known.take(found)
        if found.content is None or before is None or before.is_lost:
            return
        if before.content is None:
            finding, why = Finding.RETURNED, "it was forgotten"
        elif not found.is_of(before):
            finding = Finding.DOUBLED if topic == self._topics.interactions else Finding.REJECTION_DOUBLED
            why = f"also of event {place(before.partition, before.offset)}"
        elif self._resets.covers(found.partition, found.offset) or self._is_of_gap(topic, found):
            self._again += 1
            return
        else:
            finding, why = Finding.REEMITTED, f"as record {place(before.at_partition, before.at_offset)}"
        at = place(found.at_partition, found.at_offset)
        self._own.append(Fault(finding, Example(place(found.partition, found.offset), at, why=why)))

    def _is_of_gap(self, topic: str, found: Emission) -> bool:
        """Return whether it was emitted while no audit ran: a replay then was seen by nobody."""
        return found.at_offset < self._gap[topic][found.at_partition][1]

    def _emission(self, topic: str, message: Message) -> Emission | None:
        """Return the identity of a record; None: it has none, or is unreadable, which the ledger reports."""
        at, at_ms = coordinates(message), message.timestamp()[1]
        if message.value() is None:
            mark = forgotten(message) if topic == self._topics.rejected else None
            if mark is None or mark.thing is not Thing.INTERACTION:
                return None
            return Emission(mark.identity, at[0], mark.next_event, None, at[0], mark.tombstone, at_ms)
        with suppress(avro.UnreadableValue):
            if topic == self._topics.interactions:
                found = output(message, avro.INTERACTION, self._read.by_id)
                identity, printed = UUID(found.fields["interaction_id"]).bytes, truth.interaction_found(found)
            else:
                found = output(message, avro.REJECTED, self._read.by_id)
                identity, printed = _rejected(found.fields), truth.rejection_found(found)
            source = found.fields["source_partition"], found.fields["source_offset"]
            if None not in source:
                return Emission(identity, *source, signed(content(prints(printed))), *at, at_ms)
        return None

    def _give_up(self, lost: Sequence[Example]) -> None:
        """Remember what is lost, so that a repeat of its event is not reported as lost again."""
        now_ms = time.time_ns() // 1_000_000
        identities = [UUID(each.interaction_id).bytes for each in lost if each.interaction_id]
        self.known.put(Emission(identity, 0, 0, None, 0, LOST, now_ms) for identity in identities)

    def _day(self, identity: bytes) -> DayFact | None:
        """Return what is remembered of a contact-day, for its judge."""
        found = self.known.get(identity)
        if found is None:
            return None
        kind = Kind.FORGOTTEN if found.content is None else Kind.INTERACTION
        at = found.at_partition, found.at_offset
        return DayFact(identity, kind, found.partition, found.offset, (found.content or 0) & (1 << 64) - 1, *at)


def _bounds(ends: Mapping[str, Mapping[int, int]]) -> dict[str, Bounds]:
    return {topic: {number: (0, end) for number, end in some.items()} for topic, some in ends.items()}


def _rejected(fields: Mapping[str, object]) -> bytes:
    """Return the identity under which an event's rejection is remembered, next to those of interactions."""
    named = f"rejection {fields['source_partition']}:{fields['source_offset']}"
    return blake2b(named.encode(), digest_size=16).digest()
