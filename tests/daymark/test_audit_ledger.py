"""The audit's ledger finds what a slow comparison in memory finds, whatever is right, missing, doubled or changed."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daymark.auditing.buckets import Buckets, Limits
from daymark.auditing.facts import DAYS, DayFact, Kind
from daymark.auditing.findings import Count, Finding, Tally
from daymark.auditing.ledger import Ledger, Reading
from daymark.auditing.reach import Reach, Stretch
from daymark.auditing.truth import Truth
from schemas.workspace import Workspaces
from tests.daymark import audited
from tests.daymark.audited import Event, World

TINY = Limits(rows=3, buffers_bytes=200, remembered=2)  # everything spills, every shortcut forgets
PARTITIONS = 2


def audit(folder: Path, world: World, reach: Reach, limits: Limits = TINY) -> Tally:
    tally = Tally(3)
    ledger = Ledger(folder, reach, Reading(Truth(Workspaces())), tally, limits)
    for kind, message in world.outputs():
        getattr(ledger, kind)(message)
    for event in world.events:
        stretch = reach.stretches[event.partition]
        if stretch.first <= event.offset < stretch.next:
            ledger.event(event.raw())
    for _ in ledger.judge(reach, replays=True):
        pass
    assert not list(folder.iterdir()), "facts are left behind"
    return tally


def whole(world: World) -> Reach:
    return Reach({partition: Stretch(0, _end(world.events, partition), 1000) for partition in range(PARTITIONS)})


def _end(events: list[Event], partition: int) -> int:
    return sum(event.partition == partition for event in events)


@st.composite
def _events(draw: st.DrawFn) -> list[Event]:
    shapes = st.tuples(
        st.integers(0, PARTITIONS - 1),
        st.integers(0, 2),
        st.integers(0, 1),
        st.integers(0, 2),
        st.sampled_from([None, True, 1]),
        st.booleans() | st.just(True),
    )
    events: list[Event] = []
    for partition, *rest in draw(st.lists(shapes, max_size=14)):
        events.append(Event(partition, _end(events, partition), *rest))
    return events


@st.composite
def _reaches(draw: st.DrawFn, events: list[Event]) -> Reach:
    stretches = {}
    for partition in range(PARTITIONS):
        end = _end(events, partition)
        first = draw(st.integers(0, end))
        stretches[partition] = Stretch(first, draw(st.integers(first, end)), end)
    return Reach(stretches)


_ACTS = st.sampled_from(["keep"] * 6 + ["drop", "again", "change", "change again", "replace", "add"])


@st.composite
def _tampered(
    draw: st.DrawFn, perfect: list[dict[str, Any]], others: list[dict[str, Any]], changes: dict[str, Any]
) -> list[dict[str, Any]]:
    """Leave some out, write some again, change a field here and there, let another event's take a place."""
    written = []
    for record in perfect:
        name = draw(st.sampled_from([*changes]))
        other = draw(st.sampled_from(others))
        written += {
            "keep": [record],
            "drop": [],
            "again": [record, record],
            "change": [record | {name: changes[name]}],
            "change again": [record, record | {name: changes[name]}],
            "replace": [other],
            "add": [record, other],
        }[draw(_ACTS)]
    return written


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, Reach]:
    events = draw(_events())
    perfect = audited.right(events)
    elsewhere = {"source_offset": draw(st.integers(-1, 16)), "source_partition": draw(st.integers(0, PARTITIONS))}
    changes = {"timestamp": (audited.DAY + 1) * 86_400_000, **elsewhere}
    every = [event for event in events if event.is_valid]
    world = World(
        events,
        draw(
            _tampered(
                perfect.interactions,
                [event.interaction() for event in every],
                {"day": 18_001, "url": "x", "email": "x@y.z", **changes},
            )
        ),
        draw(_tampered(perfect.rejections, perfect.rejections, {"reason": "too_large", "raw": b"", **elsewhere})),
        draw(
            _tampered(
                perfect.traits, [event.trait() for event in every if event.value is not None], {"value": 1, **changes}
            )
        ),
    )
    return world, draw(_reaches(events) | st.just(whole(world)))


@given(worlds())
def test_it_finds_what_a_look_at_everything_finds(drawn: tuple[World, Reach]) -> None:
    """However small its memory is: files and shortcuts change nothing."""
    world, reach = drawn
    with tempfile.TemporaryDirectory() as folder:
        tally = audit(Path(folder), world, reach)
    assert tally.faults == audited.expected(world, reach)


@given(_events())
def test_in_what_is_right_it_finds_nothing(events: list[Event]) -> None:
    world = audited.right(events)
    with tempfile.TemporaryDirectory() as folder:
        tally = audit(Path(folder), world, whole(world))
    assert tally.faults == Counter()
    assert tally.counts[Count.CONTACT_DAYS] == len(world.interactions)


def test_a_value_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    """Also one that is Avro of another topic's schema; a tombstone says nothing."""
    event = Event(0, 0, 1, 1, 1, None, is_valid=True)
    reach, tally = Reach({0: Stretch(0, 1, 1)}), Tally(5)
    ledger = Ledger(tmp_path, reach, Reading(Truth(Workspaces())), tally)
    world = World([], [event.interaction()], [], [])
    [(_, interaction)] = world.outputs()
    ledger.trait(interaction)
    ledger.interaction(event.raw())
    ledger.interaction(audited.message("t", (0, 1), b"", None))
    assert tally.faults == {Finding.UNREADABLE: 2}
    assert [(example.at, example.why) for example in tally.examples[Finding.UNREADABLE]] == [
        ("0:0", "timeline.interactions"),
        ("0:0", "segment.events"),
    ]


def test_rejections_of_ingest_are_only_counted(tmp_path: Path) -> None:
    """They never were events; one of the processor that names no event is extra."""
    fields = Event(0, 0, 1, 1, 1, None, is_valid=False).rejection()
    nowhere = {"source_partition": None, "source_offset": None}
    world = World([], [], [fields | nowhere | {"stage": "ingest"}, fields | nowhere], [])
    tally = Tally(5)
    ledger = Ledger(tmp_path, Reach({0: Stretch(0, 1, 1)}), Reading(Truth(Workspaces())), tally)
    for _, message in world.outputs():
        ledger.rejection(message)
    assert tally.faults == {Finding.REJECTION_EXTRA: 1}
    assert tally.counts == {Count.REJECTIONS_OF_INGEST: 1}


@pytest.mark.parametrize("limits", [Limits(), Limits(rows=7, buffers_bytes=300), Limits(rows=1, buffers_bytes=1)])
def test_buckets_give_back_what_they_got(tmp_path: Path, limits: Limits) -> None:
    """Grouped by key and sorted, in memory or on disk."""
    facts = [
        DayFact(bytes([number % 13] * 16), Kind.EVENT, number % 3, 1000 - number, 0, 0, number) for number in range(200)
    ]
    buckets = Buckets(tmp_path, DAYS, len(facts), limits)
    for fact in facts:
        buckets.add(*fact)
    groups = [[DayFact._make(row) for row in group] for group in buckets.groups()]
    assert {group[0].identity: group for group in groups} == {
        identity: sorted(fact for fact in facts if fact.identity == identity)
        for identity in {fact.identity for fact in facts}
    }
    assert len(groups) == 13
    assert (buckets.bytes > 0) == (limits != Limits())
    assert not list(tmp_path.iterdir())
