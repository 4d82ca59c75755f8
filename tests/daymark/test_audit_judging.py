"""What the audit's judges find, on facts made by hand: each finding, and what is none."""

from collections.abc import Iterable, Sequence

import pytest

from daymark.auditing import judging
from daymark.auditing.facts import (
    INTERACTION_FIELDS,
    REJECTION_FIELDS,
    TRAIT_FIELDS,
    DayFact,
    Kind,
    PropertyFact,
    SourceFact,
    differing,
    prints,
)
from daymark.auditing.findings import MEANINGS, Count, Counted, Fault, Finding, Note, Tally
from daymark.auditing.reach import Reach, Stretch, Where, stretch
from schemas.lanes import BACKFILL

ID = bytes(range(16))
# Of partitions 0 and 1, offsets 10 to 19 are read; the group has not committed 20 to 29, and 30 is not there.
REACH = Reach({0: Stretch(10, 20, 30), 1: Stretch(10, 20, 30)})


def seen(partition: int, offset: int) -> DayFact:
    return DayFact(ID, Kind.EVENT, partition, offset)


def made(partition: int, offset: int, content: int = 1, at: int = 0) -> DayFact:
    return DayFact(ID, Kind.INTERACTION, partition, offset, content, 0, at)


def gone(partition: int, tombstone: int) -> DayFact:
    return DayFact(ID, Kind.FORGOTTEN, partition, 12, 0, partition, tombstone)


def said(notes: Iterable[Note]) -> list[Finding | Count]:
    return [note.finding if isinstance(note, Fault) else note.count for note in notes]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([seen(0, 11), made(0, 11)], []),
        ([seen(0, 11), seen(0, 12), made(0, 11)], []),
        ([seen(0, 11)], [Finding.LOST]),
        ([seen(0, 11), seen(1, 12)], [Finding.LOST]),
        ([seen(0, 11), seen(0, 12), made(0, 12)], [Finding.WRONG_WINNER]),
        ([seen(0, 11), seen(1, 12), made(1, 12)], []),  # the first of either partition is right
        ([seen(0, 11), seen(1, 12), made(1, 13)], [Finding.WRONG_WINNER]),
        ([seen(0, 11), made(0, 3)], []),  # of an event before the range: another took the day
        ([seen(0, 11), made(0, 25)], [Finding.WRONG_WINNER]),  # the first was lost, a later one took the day
        ([seen(0, 11), made(1, 25)], []),  # of another partition, where no event of the day was read
        ([made(0, 25)], []),
        ([seen(0, 11), made(0, 11), made(0, 11, at=1)], [Count.INTERACTIONS_AGAIN]),
        ([seen(0, 11), made(0, 11), made(0, 11, content=2)], [Finding.DOUBLED]),
        ([seen(0, 11), seen(0, 12), made(0, 11), made(0, 12)], [Finding.DOUBLED]),
        ([seen(0, 11), made(0, 11), made(0, 11, at=1), made(0, 12)], [Finding.DOUBLED, Count.INTERACTIONS_AGAIN]),
        ([made(0, 3), made(0, 4)], [Finding.DOUBLED]),
    ],
)
def test_contact_days(facts: Sequence[DayFact], expected: list[Finding]) -> None:
    """One interaction for each contact-day, of the first event of its partition."""
    found = said(judging.day(facts, replays=True))
    assert [note for note in found if note is not Count.CONTACT_DAYS] == expected
    assert (Count.CONTACT_DAYS in found) == (facts[0].kind == Kind.EVENT)


def test_without_replays_what_is_there_twice_is_doubled() -> None:
    """Two workers that both commit an event write the same bytes: visible only if no replay can explain it."""
    facts = [seen(0, 11), made(0, 11), made(0, 11, at=1)]
    assert said(judging.day(facts, replays=False)) == [Count.CONTACT_DAYS, Finding.DOUBLED]
    twice = [what(Kind.REJECTION), what(Kind.REJECTED), what(Kind.REJECTED)]
    assert said(judging.source(twice, REACH, replays=False)) == [Finding.REJECTION_DOUBLED]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([seen(0, 11), made(0, 11), gone(0, 7)], [Count.FORGOTTEN]),
        ([seen(0, 11), gone(0, 7)], [Count.FORGOTTEN]),  # compaction has removed the interaction
        ([gone(0, 7)], [Count.FORGOTTEN]),
        ([seen(0, 11), made(0, 11), made(0, 11, at=8), gone(0, 7)], [Finding.RETURNED]),
        ([seen(0, 11), made(0, 11, at=8), gone(0, 7)], [Finding.RETURNED]),
        ([seen(0, 11), made(0, 11, at=8), gone(0, 7), gone(0, 9)], [Count.FORGOTTEN]),  # forgotten once more
        ([seen(0, 11), made(0, 11), made(0, 12), gone(0, 7)], [Count.FORGOTTEN, Finding.DOUBLED]),
    ],
)
def test_forgotten_days(facts: Sequence[DayFact], expected: list[Finding | Count]) -> None:
    """What was erased is not lost, whether compaction has come or not; what comes again after it is found."""
    found = said(judging.day(facts, replays=True))
    assert [note for note in found if note is not Count.CONTACT_DAYS] == expected


def what(kind: Kind, offset: int = 11, partition: int = 0, **changed: object) -> SourceFact:
    fields = REJECTION_FIELDS if kind in {Kind.REJECTION, Kind.REJECTED} else INTERACTION_FIELDS
    return SourceFact(partition, offset, kind, prints([changed.get(name, name) for name in fields]))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([what(Kind.EVENT), what(Kind.INTERACTION)], []),
        ([what(Kind.EVENT), what(Kind.INTERACTION), what(Kind.INTERACTION)], []),  # the judge of the day counts
        ([what(Kind.EVENT), what(Kind.INTERACTION, url="x")], [Finding.WRONG_CONTENT]),
        ([what(Kind.EVENT), what(Kind.INTERACTION, day=5, interaction_id="y")], [Finding.WRONG_DAY]),
        ([what(Kind.EVENT), what(Kind.INTERACTION), what(Kind.INTERACTION, key=b"")], [Finding.WRONG_CONTENT]),
        ([what(Kind.INTERACTION)], [Finding.UNKNOWN]),
        ([what(Kind.INTERACTION, 30)], [Finding.UNKNOWN]),
        ([what(Kind.INTERACTION, -1)], [Finding.UNKNOWN]),
        ([what(Kind.INTERACTION, partition=7)], [Finding.UNKNOWN]),
        ([what(Kind.INTERACTION, 9)], [Count.OUT_OF_REACH]),
        ([what(Kind.INTERACTION, 20)], [Count.NOT_YET]),
        ([what(Kind.REJECTION), what(Kind.INTERACTION), what(Kind.REJECTED)], [Finding.UNKNOWN]),
        ([what(Kind.REJECTION), what(Kind.REJECTED)], []),
        ([what(Kind.REJECTION)], [Finding.REJECTION_MISSING]),
        ([what(Kind.REJECTED)], [Finding.REJECTION_EXTRA]),
        ([what(Kind.EVENT), what(Kind.REJECTED)], [Finding.REJECTION_EXTRA]),
        ([what(Kind.EVENT), what(Kind.INTERACTION), what(Kind.REJECTED)], [Finding.REJECTION_EXTRA]),
        ([what(Kind.REJECTED, 31)], [Finding.REJECTION_EXTRA]),
        ([what(Kind.REJECTED, 9), what(Kind.REJECTED, 9)], [Count.OUT_OF_REACH]),
        ([what(Kind.REJECTION), what(Kind.REJECTED), what(Kind.REJECTED)], [Count.REJECTIONS_AGAIN]),
        ([what(Kind.REJECTION), what(Kind.REJECTED), what(Kind.REJECTED, raw="")], [Finding.REJECTION_DOUBLED]),
        ([what(Kind.REJECTION), what(Kind.REJECTED, reason="too_large")], [Finding.REJECTION_WRONG]),
    ],
)
def test_sources(facts: Sequence[SourceFact], expected: list[Finding]) -> None:
    """What came of an event says what the event says; a rejection is there if it must be, and only then."""
    assert said(judging.source(facts, REACH, replays=True)) == expected


def change(offset: int, at_ms: int, partition: int = 0) -> PropertyFact:
    return PropertyFact(ID, Kind.EVENT, partition, offset, at_ms, prints([*TRAIT_FIELDS]))


def told(offset: int, at_ms: int, partition: int = 0, *, at: int = 0, **changed: object) -> PropertyFact:
    printed = prints([changed.get(name, name) for name in TRAIT_FIELDS])
    return PropertyFact(ID, Kind.TRAIT, partition, offset, at_ms, printed, partition, at)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([change(11, 5), told(11, 5)], []),
        ([change(11, 5)], [Finding.TRAIT_MISSING]),
        ([change(11, 5), told(11, 5, value=False)], [Finding.TRAIT_WRONG]),
        ([change(11, 5), change(12, 6), told(11, 5), told(12, 6, at=1)], []),
        ([change(11, 5), change(12, 6), told(12, 6), told(11, 5, at=1)], [Finding.TRAIT_STALE]),
        ([change(11, 6), change(12, 5), told(11, 6)], []),  # the later one was stale
        ([change(11, 5), change(12, 5), told(12, 5)], []),
        ([change(11, 5), change(12, 5), told(11, 5)], [Finding.TRAIT_STALE]),  # of equal ones the later
        ([change(11, 5), change(12, 5, 1), told(11, 5)], []),
        ([change(11, 5), change(12, 5, 1), told(12, 5, 1)], []),
        ([change(11, 5), change(12, 6, 1), told(11, 5), told(12, 6, 1)], []),
        ([change(11, 5), change(12, 6, 1), told(11, 5)], [Finding.TRAIT_STALE]),
        ([told(11, 5)], [Finding.TRAIT_UNKNOWN]),
        ([change(11, 5), told(30, 9)], [Finding.TRAIT_UNKNOWN]),
        ([told(9, 5)], [Count.OUT_OF_REACH]),
        ([told(20, 5)], [Count.NOT_YET]),
        ([change(11, 5), told(9, 6)], [Count.OUT_OF_REACH]),  # a newer one came before the range
        ([change(11, 5), told(9, 5)], [Finding.TRAIT_STALE]),
        ([change(11, 5), told(9, 5, 1)], [Count.OUT_OF_REACH]),
        ([change(11, 5), told(20, 5)], [Count.NOT_YET]),
        ([change(11, 5), told(20, 4)], [Finding.TRAIT_STALE]),
    ],
)
def test_properties(facts: Sequence[PropertyFact], expected: list[Finding]) -> None:
    """The last record of a property is its newest change; what came before it is history."""
    assert said(judging.property_(facts, REACH)) == [Count.PROPERTIES, *expected]


def erased(tombstone: int, offset: int, at_ms: int, partition: int = 0) -> PropertyFact:
    return PropertyFact(ID, Kind.FORGOTTEN, partition, offset + 1, at_ms, b"", partition, tombstone)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([change(11, 5), told(11, 5), erased(7, 11, 5)], []),
        ([change(11, 5), erased(7, 11, 5)], []),  # compaction has removed the record
        ([erased(7, 11, 5)], []),
        ([change(12, 4), erased(7, 11, 5)], []),  # came later, and was stale
        ([change(12, 4, 1), change(11, 5), erased(7, 11, 5)], []),
        ([change(11, 5), told(11, 5, at=8), erased(7, 11, 5)], [Finding.RETURNED]),
        ([change(11, 5), change(12, 6), told(11, 5), told(12, 6, at=8), erased(7, 11, 5)], []),  # new data
        ([change(11, 5), change(12, 6), told(11, 5), erased(7, 11, 5)], [Finding.TRAIT_MISSING]),
        ([change(12, 6), told(12, 6, at=8), erased(7, 11, 5), erased(9, 12, 6)], []),
        ([told(20, 6, at=8), erased(7, 11, 5)], [Count.NOT_YET]),
    ],
)
def test_forgotten_properties(facts: Sequence[PropertyFact], expected: list[Finding | Count]) -> None:
    """Nothing need come of changes up to the erased one; a newer one counts, and an older one must not come back."""
    assert said(judging.property_(facts, REACH)) == [Count.PROPERTIES, Count.FORGOTTEN, *expected]


def test_fields_are_told_apart() -> None:
    """Each field that differs is named."""
    assert differing(("a", "b", "c"), prints([1, "x", None]), prints([2, "x", 0])) == ("a", "c")
    assert differing(("a", "b"), prints([1.0, "x"]), prints([1.0, "x"])) == ()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (((10, 30), 20), Stretch(10, 20, 30, lag=10)),
        (((10, 30), None), Stretch(10, 10, 30, lag=20)),
        (((10, 30), 5), Stretch(10, 10, 30, lag=20, unread=5)),  # deleted before the group could read it
        (((10, 30), 40), Stretch(10, 30, 30)),  # of a topic that was there before
        (((10, 30), 20, 15, 18), Stretch(15, 18, 30, lag=10)),
        (((10, 30), 20, 5, 25), Stretch(10, 20, 30, lag=10)),
        (((10, 30), 20, 25), Stretch(25, 25, 30, lag=10)),
    ],
)
def test_stretches(arguments: tuple[tuple[int, int], int | None, int, int], expected: Stretch) -> None:
    """From where to where a partition is read: what is there, committed, and in the time range."""
    assert stretch(*arguments) == expected


def test_reach_knows_where_an_event_lies() -> None:
    where = [REACH.where(0, offset) for offset in (-1, 0, 9, 10, 19, 20, 29, 30)]
    assert where == [
        Where.NOWHERE,
        *[Where.BEFORE] * 2,
        *[Where.WITHIN] * 2,
        *[Where.AFTER] * 2,
        Where.NOWHERE,
    ]
    assert REACH.where(2, 10) is Where.NOWHERE
    assert (REACH.records, REACH.lag, REACH.unread) == (20, 0, 0)


def test_a_tally_keeps_the_first_examples() -> None:
    """Counts go on, examples do not: a run in which all is wrong must not fill the memory."""
    tally = Tally(2)
    for offset in range(10):
        tally.take(judging.day([seen(0, offset)], replays=True))
    tally.take([Counted(Count.NOT_YET, 5)])
    assert (Tally(2).is_sound, tally.is_sound) == (True, False)
    assert tally.faults == {Finding.LOST: 10}
    assert tally.counts == {Count.CONTACT_DAYS: 10, Count.NOT_YET: 5}
    assert [example.source for example in tally.examples[Finding.LOST]] == ["0:0", "0:1"]


def test_every_finding_has_a_meaning() -> None:
    assert list(MEANINGS) == list(Finding)


def test_what_a_backfill_may_have_claimed_is_not_judged_yet() -> None:
    """A live duplicate can be committed before the backfilled event that won, if a worker was killed in between."""
    facts = [seen(1, 15)]
    assert said(judging.day(facts, replays=True, pending={ID})) == [Count.CONTACT_DAYS, Count.NOT_YET]
    assert said(judging.day(facts, replays=True)) == [Count.CONTACT_DAYS, Finding.LOST]
    change = [PropertyFact(ID, Kind.EVENT, 1, 15, 7, b"")]
    assert said(judging.property_(change, REACH, {ID})) == [Count.NOT_YET]
    assert said(judging.property_(change, REACH)) == [Count.PROPERTIES, Finding.TRAIT_MISSING]


def test_the_topic_of_a_backfill_may_be_gone() -> None:
    """What came of its events is not judged; an event of a live partition that never was is nowhere."""
    assert REACH.where(BACKFILL + 1, 5) is Where.BEFORE
    assert REACH.where(BACKFILL - 1, 5) is Where.NOWHERE
