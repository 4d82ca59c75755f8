"""The newest change of a property wins, in a batch and against what was before it."""

from collections.abc import Iterable
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.records import Batch, Record, owner
from processor.traits import Clock, Property, Update, Updates, property_of
from schemas.identify import Change, Identify
from schemas.lanes import BACKFILL

PLAN, OTHER = (property_of(workspace, "a@x.org", "plan") for workspace in ("w", "other"))
OWNER = Batch([], None, b"this", backfill_mark=b"slow").owner


def event(timestamp_ms: int, offset: int, partition: int = 0, workspace: str = "w") -> tuple[Record, Identify]:
    record = Record(partition, offset, None, b"", workspace, None, 0)
    return record, Identify("a@x.org", timestamp_ms, None, (Change("plan", offset, "trait", None),))


def clock(record: Record, identify: Identify) -> Clock:
    return Clock(identify.timestamp_ms, OWNER(record))


def updates(events: Iterable[tuple[Record, Identify]], newest_ms: int = -(1 << 63)) -> Updates:
    made = Updates(lambda _: newest_ms)
    for record, identify in events:
        made.add(record, identify, OWNER)
    return made


def test_newest_of_a_batch() -> None:
    """Each property has one newest change; of equal times the later record's."""
    batch = [event(5, 0), event(7, 1), event(1, 2, workspace="other"), event(7, 3), event(6, 4)]
    found = updates(batch)
    assert found.clocks() == {PLAN: clock(*batch[3]), OTHER: clock(*batch[2])}
    assert ([update.record for update in found.updates], found.stale) == ([record for record, _ in batch[:4]], 1)


def test_what_is_older_than_a_committed_change_is_not_asked_about() -> None:
    """One of the same instant may be newer."""
    found = updates([event(4, 0), event(5, 1)], newest_ms=5)
    assert (found.clocks(), found.stale) == ({PLAN: clock(*event(5, 1))}, 1)


def test_of_equal_times_the_live_change_wins() -> None:
    """Over one of a backfill, whichever is later and whatever its topic: a repeat from an archive changes nothing."""
    live = clock(*event(5, 0))
    for topic, at in ((b"this", BACKFILL), (b"slow", BACKFILL + 3)):
        slow = Clock(5, owner(topic, Record(at, 9, None, b"", "w", None, 0)))
        assert slow.is_stale(live)
        assert not live.is_stale(slow)
        assert not replace(slow, timestamp_ms=6).is_stale(live)


_EVENTS = st.builds(event, st.integers(0, 3), st.integers(0, 9), st.sampled_from([0, 1, BACKFILL, BACKFILL + 1]))
_BEFORE = st.builds(
    lambda instant, topic, partition, offset: Clock(
        instant, owner(topic, Record(partition, offset, None, b"", "w", None, 0))
    ),
    st.integers(0, 3),
    st.sampled_from([b"this", b"slow", b"gone"]),
    st.sampled_from([0, 1, BACKFILL, BACKFILL + 1]),
    st.integers(0, 9),
)


@given(st.lists(_EVENTS, min_size=1, max_size=8), st.none() | _BEFORE)
def test_each_change_is_judged_by_what_was_emitted_before_it(
    events: list[tuple[Record, Identify]], before: Clock | None
) -> None:
    """In the order of the batch, each is emitted unless it is stale after the last; so only the newest is asked for."""
    last, wanted = before, []
    for record, identify in events:
        now = clock(record, identify)
        if not now.is_stale(last):
            last = now
            wanted.append(record)
    found = updates(events)
    (asked,) = found.clocks().values()
    assert [update.record for update in found.fresh([before])] == wanted
    assert (asked if not asked.is_stale(before) else before) == last


def test_any_cut_into_batches_ends_the_same() -> None:
    """However a log is cut into batches, and whichever of them are lost after the claim, the newest comes last."""
    log = [event(instant, offset) for offset, instant in enumerate((3, 9, 4, 9, 1))]
    for lost in permutations((False, False, True, True)):
        clocks: dict[Property, Clock] = {}
        written: list[Update] = []
        for begin, is_lost in zip(range(0, 5, 2), lost, strict=False):
            for attempt_is_lost in (is_lost, False):
                batch = updates(log[begin : begin + 2])
                asked = batch.clocks()
                before = [clocks.get(of) for of in asked]
                clocks |= {of: now for of, now in asked.items() if not now.is_stale(clocks.get(of))}
                if not attempt_is_lost:
                    written += batch.fresh(before)
                    break
        assert written[-1].record == log[3][0]
