"""The newest change of a property wins, in a batch and against what was before it."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from processor.records import Record, owner
from processor.traits import Clock, Property, Update, fresh, newest, property_of
from schemas.identify import Change, Identify
from schemas.lanes import BACKFILL

PLAN = property_of("w", "a@x.org", "plan")
OTHER = property_of("other", "a@x.org", "plan")


def update(timestamp_ms: int, offset: int, of: Property = PLAN) -> Update:
    record = Record(0, offset, None, b"", "w", None, 0)
    change = Change("plan", offset, "trait", None)
    identify = Identify("a@x.org", timestamp_ms, None, (change,))
    return Update(of, Clock(timestamp_ms, owner(b"this", record)), change, identify, record)


def test_newest_of_a_batch() -> None:
    """Each property has one newest change; of equal times the later record's."""
    batch = [update(5, 0), update(7, 1), update(1, 2, OTHER), update(7, 3), update(6, 4)]
    assert newest(batch) == {PLAN: batch[3].clock, OTHER: batch[2].clock}


def test_of_equal_times_the_live_change_wins() -> None:
    """Over one of a backfill, whichever is later and whatever its topic: a repeat from an archive changes nothing."""
    live = update(5, 0).clock
    for topic, at in ((b"this", BACKFILL), (b"slow", BACKFILL + 3)):
        slow = Clock(5, owner(topic, Record(at, 9, None, b"", "w", None, 0)))
        assert slow.is_stale(live)
        assert not live.is_stale(slow)
        assert not replace(slow, timestamp_ms=6).is_stale(live)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.none() | st.integers(0, 5))
def test_what_is_emitted_only_gets_newer(instants: list[int], before: int | None) -> None:
    """The changes emitted only grow in time, and none that is no older than what went before is missing."""
    batch = [update(instant, offset + 100) for offset, instant in enumerate(instants)]
    clock = None if before is None else update(before, 0).clock
    emitted = fresh(batch, {PLAN: clock})
    seen = -1 if before is None else before
    wanted = []
    for one in batch:
        if one.clock.timestamp_ms >= seen:
            wanted.append(one)
            seen = one.clock.timestamp_ms
    assert emitted == wanted


def test_any_cut_into_batches_ends_the_same() -> None:
    """However a log is cut into batches, and whichever of them are lost after the claim, the newest comes last."""
    log = [update(instant, offset) for offset, instant in enumerate((3, 9, 4, 9, 1))]
    for lost in permutations((False, False, True, True)):
        clocks: dict[Property, Clock] = {}
        written: list[Update] = []
        for begin, is_lost in zip(range(0, 5, 2), lost, strict=False):
            batch = log[begin : begin + 2]
            for attempt_is_lost in (is_lost, False):
                asked = newest(batch)
                told = {of: clocks.get(of) for of in asked}
                clocks |= {of: clock for of, clock in asked.items() if not clock.is_stale(clocks.get(of))}
                if not attempt_is_lost:
                    written += fresh(batch, told)
                    break
        assert written[-1] == log[3]
