"""What a replay would do, told before it is done: never forward, never to what is deleted."""

from dataclasses import dataclass

import click
import msgspec
import pytest

from daymark.replaying.plan import Ground, Manner, Unsafe, lines, moved_to, plan
from daymark.replaying.rate import given
from daymark.replaying.start import Earliest, Place, Since, Start, StartType
from schemas import lanes

GROUND = {
    0: Ground(first=100, end=500, stands=400, since=300, alive=350),
    1: Ground(first=0, end=50, stands=50, since=None, alive=0),
    2: Ground(first=0, end=50, stands=None, since=10, alive=0),
}


def test_from_the_earliest_goes_to_what_retention_left() -> None:
    planned = plan([Earliest()], GROUND)
    assert moved_to(planned.parts) == {0: 100, 1: 0}
    assert (planned.again, planned.expired) == (350, 250)
    said = "\n".join(lines(planned, "daymark", 8, given(10), Manner()))
    assert "350 events would be replayed, in about 35 s at 10 events/s." in said
    assert "deleted the first 100 events" in said
    assert "250 are older than claims live (8 days)" in said
    anew = "\n".join(lines(planned, "daymark", 8, given(10), Manner(is_fresh=True)))
    assert ("evaluated again" in anew, "same bytes" in anew) == (True, False)


def test_since_an_instant_leaves_partitions_that_have_nothing_since() -> None:
    """A partition whose records are all older, and one in which the group has committed nothing, stay."""
    planned = plan([Since(1)], GROUND)
    assert moved_to(planned.parts) == {0: 300}
    assert (planned.again, planned.expired) == (100, 50)


def test_an_end_bounds_what_is_awaited_not_what_is_read_again() -> None:
    """Partitions without events before the end stay; behind the group's offset it is no end."""
    ground = {0: msgspec.structs.replace(GROUND[0], until=310), 1: Ground(0, 50, 50, since=20, until=20)} | {
        3: Ground(0, 50, 40, since=30, until=45)
    }
    planned = plan([Since(1)], ground)
    assert moved_to(planned.parts) == {0: 300, 3: 30}
    assert (planned.again, planned.awaited) == (110, 20)
    assert [planned.parts[0].left(now) for now in (300, 305, 310, 400)] == [10, 5, 0, 0]
    assert "90 of them lie behind --to" in "\n".join(lines(planned, "daymark", 8, None, Manner()))


def test_nothing_goes_forward() -> None:
    behind = {0: Ground(first=0, end=500, stands=200, since=300)}
    assert plan([Since(1)], behind).again == 0
    with pytest.raises(Unsafe, match="0:300 is ahead of the group's offset, 200"):
        plan([Place(0, 300)], behind)


def test_places_move_their_partitions_only() -> None:
    planned = plan([Place(0, 399), Place(1, 0)], GROUND)
    assert moved_to(planned.parts) == {0: 399, 1: 0}
    assert moved_to(plan([Place(0, 400)], GROUND).parts) == {}
    with pytest.raises(Unsafe, match="0:99 is deleted; partition 0 begins at 100"):
        plan([Place(0, 99)], GROUND)
    with pytest.raises(Unsafe, match="no partition 7"):
        plan([Place(7, 0)], GROUND)


def test_a_lane_is_named_and_live_events_go_before_it() -> None:
    """Its partitions are shown as in every command; what claims no longer remember may be won by another topic."""
    lane = lanes.BACKFILL + 1
    planned = plan([Earliest()], {**GROUND, lane: Ground(first=10, end=50, stands=50, alive=20)})
    assert moved_to(planned.parts) == {0: 100, 1: 0, lane: 10}
    said = "\n".join(lines(planned, "daymark", 8, None, Manner()))
    assert ("backfill/1            10" in said, "live events go first" in said, "--lane" in said) == (True, True, False)
    live = "\n".join(lines(plan([Earliest()], GROUND), "daymark", 8, None, Manner(leaves_lane=True)))
    assert ("live events go first" in live, "segment.backfill are not replayed (--lane)" in live) == (True, True)
    with pytest.raises(Unsafe, match="backfill/1:51 is ahead"):
        plan([Place(lane, 51)], {lane: Ground(first=0, end=60, stands=50)})
    with pytest.raises(Unsafe, match="no partition backfill/1"):
        plan([Place(lane, 0)], GROUND)


@pytest.mark.parametrize(("now", "left"), [(100, 300), (250, 150), (400, 0), (450, 0), (None, 300), (0, 300)])
def test_what_is_left_counts_down_to_where_the_group_stood(now: int | None, left: int) -> None:
    """Also when retention takes what was to be read, and when workers go on beyond."""
    part = plan([Earliest()], GROUND).parts[0]
    assert part.left(now) == left


@dataclass(frozen=True)
class Word:
    text: str
    start: Start | None


@pytest.mark.parametrize(
    "word",
    [
        Word("earliest", Earliest()),
        Word("3:1200", Place(3, 1200)),
        Word("backfill/3:1200", Place(lanes.BACKFILL + 3, 1200)),
        Word("1970-01-01T00:00:01Z", Since(1000)),
        Word("latest", None),
        Word("3:-1", None),
    ],
    ids=lambda word: word.text,
)
def test_words_of_the_command_line(word: Word) -> None:
    if word.start is None:
        with pytest.raises(click.BadParameter):
            StartType().convert(word.text, None, None)
    else:
        assert StartType().convert(word.text, None, None) == word.start
