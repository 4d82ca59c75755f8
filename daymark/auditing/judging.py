"""The verdicts, on one contact-day, event or property at a time. Pure."""

from collections.abc import Container, Iterator, Sequence
from uuid import UUID

from daymark.auditing.facts import (
    INTERACTION_FIELDS,
    REJECTION_FIELDS,
    TRAIT_FIELDS,
    DayFact,
    Kind,
    PropertyFact,
    SourceFact,
    differing,
)
from daymark.auditing.findings import Count, Counted, Example, Fault, Finding, Note, place
from daymark.auditing.reach import Reach, Where


def day(facts: Sequence[DayFact], *, replays: bool, pending: Container[bytes] = ()) -> Iterator[Note]:
    """Judge a contact-day: it has exactly one interaction, from the first event in its partition.

    If a contact-day has events in several partitions, the first of any of them is correct. An interaction from a
    partition in which no event of this contact-day was read is judged by its source instead.

    Args:
        facts: sorted; at least the first event of each partition.
        replays: whether an interaction that was emitted again is correct.
        pending: identities that an event of a backfill may have claimed which is not committed yet.
    """
    firsts: dict[int, int] = {}
    for fact in facts:
        if fact.kind == Kind.EVENT:
            firsts.setdefault(fact.partition, fact.offset)
    interactions = [fact for fact in facts if fact.kind == Kind.INTERACTION]
    identity = str(UUID(bytes=facts[0].identity))
    if firsts:
        yield Counted(Count.CONTACT_DAYS)
    erased = _erased(facts)
    if back := [fact for fact in interactions if fact.at_partition in erased and _is_back(fact, erased)]:
        yield Fault(Finding.RETURNED, _example(back[-1], identity=identity))
        return
    if erased:
        yield Counted(Count.FORGOTTEN)
    if not interactions and erased:
        return
    if not interactions and facts[0].identity in pending:
        yield Counted(Count.NOT_YET)
        return
    if not interactions:
        yield Fault(Finding.LOST, Example(place(*min(firsts.items())), interaction_id=identity))
        return
    yield from _once(interactions, identity, replays=replays)
    late = [fact for fact in interactions if fact.offset > firsts.get(fact.partition, fact.offset)]
    if len(late) == len(interactions):
        yield Fault(Finding.WRONG_WINNER, _example(late[0], why=_first(late[0], firsts), identity=identity))


def source(facts: Sequence[SourceFact], reach: Reach, *, replays: bool) -> Iterator[Note]:
    """Compare an event with its results: the interaction has its content, and a rejection exists if required.

    Args:
        facts: the event's and those of all records that name it as their source.
        reach: decides whether the event could be read.
        replays: whether a rejection that was emitted again is correct.
    """
    where = reach.where(facts[0].partition, facts[0].offset)
    if where in {Where.BEFORE, Where.AFTER}:
        yield Counted(Count.OUT_OF_REACH if where is Where.BEFORE else Count.NOT_YET, len(facts))
        return
    event = facts[0] if facts[0].kind in {Kind.EVENT, Kind.REJECTION} else None
    yield from _interactions(event, [fact for fact in facts if fact.kind == Kind.INTERACTION])
    yield from _rejections(event, [fact for fact in facts if fact.kind == Kind.REJECTED], replays=replays)


def property_(facts: Sequence[PropertyFact], reach: Reach, pending: Container[bytes] = ()) -> Iterator[Note]:
    """Judge a property by its last record, which must be its newest change; earlier records are history.

    The newest change has the latest timestamp; among equal timestamps the highest offset, in any partition.

    Args:
        facts: at least the newest change of each partition, and the last record of each.
        reach: decides whether the event of the last record could be read.
        pending: identities whose clock an event of a backfill may have moved which is not committed yet.
    """
    if facts[0].identity in pending:
        yield Counted(Count.NOT_YET)
        return
    erased = _erased(facts)
    changes = [fact for fact in facts if fact.kind == Kind.EVENT and not _is_forgotten(fact, facts)]
    lasts = {fact.at_partition: fact for fact in sorted(facts, key=_written) if fact.kind == Kind.TRAIT}
    newest = {
        change.partition: change
        for change in sorted(changes, key=lambda change: change.offset)
        if change.timestamp_ms == max(each.timestamp_ms for each in changes)
    }
    yield Counted(Count.PROPERTIES)
    if erased:
        yield Counted(Count.FORGOTTEN)
        lasts = {number: last for number, last in lasts.items() if number not in erased or _is_back(last, erased)}
        if back := [last for last in lasts.values() if _is_forgotten(last, facts)]:
            yield Fault(Finding.RETURNED, _example(back[0]))
            return
        if not changes and not lasts:
            return
    if not lasts:
        change = next(iter(newest.values()))
        yield Fault(Finding.TRAIT_MISSING, Example(place(change.partition, change.offset)))
        return
    # After a change of the number of partitions, a contact's records are in several: one of them must be correct.
    verdicts = [_last(last, newest, reach) for last in lasts.values()]
    wrong = [verdict for verdict in verdicts if isinstance(verdict, Fault)]
    if len(wrong) == len(verdicts):
        yield wrong[0]
    else:
        yield from (verdict for verdict in verdicts if isinstance(verdict, Counted))


def _erased(facts: Sequence[DayFact] | Sequence[PropertyFact]) -> dict[int, int]:
    """Return the offset of the last tombstone of each partition."""
    erased: dict[int, int] = {}
    for fact in facts:
        if fact.kind == Kind.FORGOTTEN:
            erased[fact.at_partition] = max(fact.at_offset, erased.get(fact.at_partition, -1))
    return erased


def _is_back(fact: DayFact | PropertyFact, erased: dict[int, int]) -> bool:
    """Whether a record was written after the tombstone of its partition."""
    return fact.at_offset > erased[fact.at_partition]


def _is_forgotten(change: PropertyFact, facts: Sequence[PropertyFact]) -> bool:
    """Whether a change, or a record of one, is no newer than the erasure: nothing may result from it any more."""
    return any(
        (change.partition == mark.partition and change.offset < mark.offset) or change.timestamp_ms < mark.timestamp_ms
        for mark in facts
        if mark.kind == Kind.FORGOTTEN
    )


def _once(interactions: Sequence[DayFact], identity: str, *, replays: bool) -> Iterator[Note]:
    different = {(fact.partition, fact.offset, fact.content) for fact in interactions}
    again = len(interactions) - len(different)
    if len(different) > 1:
        sources = ", ".join(sorted({place(fact.partition, fact.offset) for fact in interactions}))
        yield Fault(Finding.DOUBLED, _example(interactions[-1], why=f"of the events {sources}", identity=identity))
    elif again and not replays:
        yield Fault(Finding.DOUBLED, _example(interactions[-1], why=f"{again + 1} times the same", identity=identity))
    if again and replays:
        yield Counted(Count.INTERACTIONS_AGAIN, again)


def _first(late: DayFact, firsts: dict[int, int]) -> str:
    return f"the first event is {place(late.partition, firsts[late.partition])}"


def _interactions(event: SourceFact | None, interactions: Sequence[SourceFact]) -> Iterator[Note]:
    for fact in {fact.prints: fact for fact in interactions}.values():
        if event is None or event.kind == Kind.REJECTION:
            why = "there is no such event" if event is None else "the event is rejected"
            yield Fault(Finding.UNKNOWN, _example(fact, why=why))
            continue
        if fact.prints != event.prints:
            fields = differing(INTERACTION_FIELDS, event.prints, fact.prints)
            finding = Finding.WRONG_DAY if "day" in fields else Finding.WRONG_CONTENT
            yield Fault(finding, _example(fact, fields))


def _rejections(event: SourceFact | None, rejected: Sequence[SourceFact], *, replays: bool) -> Iterator[Note]:
    if event is None or event.kind != Kind.REJECTION:
        if rejected:
            why = "there is no such event" if event is None else "the event is acceptable"
            yield Fault(Finding.REJECTION_EXTRA, _example(rejected[0], why=why))
        return
    if not rejected:
        yield Fault(Finding.REJECTION_MISSING, Example(place(event.partition, event.offset)))
        return
    different = {fact.prints: fact for fact in rejected}
    again = len(rejected) - len(different)
    if len(different) > 1 or (again and not replays):
        yield Fault(Finding.REJECTION_DOUBLED, _example(rejected[-1]))
    if again and replays:
        yield Counted(Count.REJECTIONS_AGAIN, again)
    wrong = [fact for fact in different.values() if fact.prints != event.prints]
    if len(wrong) == len(different):
        yield Fault(
            Finding.REJECTION_WRONG, _example(wrong[0], differing(REJECTION_FIELDS, event.prints, wrong[0].prints))
        )


def _last(last: PropertyFact, newest: dict[int, PropertyFact], reach: Reach) -> Note | None:
    """Judge the last record of a property. None: it is correct."""
    change = newest.get(last.partition)
    if change is not None and change.offset == last.offset:
        if last.prints == change.prints:
            return None
        return Fault(Finding.TRAIT_WRONG, _example(last, differing(TRAIT_FIELDS, change.prints, last.prints)))
    where = reach.where(last.partition, last.offset)
    latest = next(iter(newest.values()), None)
    is_later = latest is None or last.timestamp_ms > latest.timestamp_ms
    is_even = latest is not None and last.timestamp_ms == latest.timestamp_ms
    if where is Where.BEFORE and (is_later or (is_even and change is None)):
        return Counted(Count.OUT_OF_REACH)
    if where is Where.AFTER and (is_later or is_even):
        return Counted(Count.NOT_YET)
    if where is Where.NOWHERE or latest is None:
        return Fault(Finding.TRAIT_UNKNOWN, _example(last))
    why = f"the newest change is {place(latest.partition, latest.offset)}"
    return Fault(Finding.TRAIT_STALE, _example(last, why=why))


def _written(fact: PropertyFact) -> tuple[int, int]:
    return fact.at_partition, fact.at_offset


def _example(
    fact: DayFact | SourceFact | PropertyFact,
    fields: tuple[str, ...] = (),
    why: str | None = None,
    identity: str | None = None,
) -> Example:
    at = place(fact.at_partition, fact.at_offset)
    return Example(place(fact.partition, fact.offset), at, identity, fields, why)
