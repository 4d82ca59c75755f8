"""Room is shared so that nobody's flood is another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.room import Room

LARGE = 10**9


def filled(room: Room, owner: str) -> int:
    """Take one after the other for an owner while they fit; return how many it holds then."""
    taken = 0
    while room.fits(owner, 1, 1):
        room.take(owner, 1, 1)
        taken += 1
    return taken


@pytest.mark.parametrize(("most", "most_size"), [(1_000, LARGE), (LARGE, 1_000)], ids=["things", "bytes"])
@pytest.mark.parametrize(("floods", "each", "left"), [(1, 500, 500), (2, 333, 333), (4, 200, 200)])
def test_floods_leave_room(most: int, most_size: int, floods: int, each: int, left: int) -> None:
    """One takes half, two a third each: as much as each takes is left for whoever comes next."""
    room = Room(most, most_size)
    names = [f"flood-{n}" for n in range(floods)]
    while wanted := [name for name in names if room.fits(name, 1, 1)]:
        for name in wanted:
            room.take(name, 1, 1)
    assert room.count == room.size == pytest.approx(floods * each, abs=floods)
    assert 1_000 - room.count == pytest.approx(left, abs=floods)
    assert room.fits("calm", left // 2, left // 2)


def test_room_comes_back() -> None:
    """What is given is free for all, and nothing is remembered of those who hold nothing."""
    room = Room(10, LARGE)
    assert filled(room, "a") == 5
    room.give("a", 5, 5)
    assert filled(room, "b") == 5
    room.give("b", 5, 5)
    assert (room.count, room.size, room._by_owner) == (0, 0, {})


def test_who_holds_nothing_may_ask_for_all_that_is_free() -> None:
    """One large request is no flood."""
    room = Room(10, 1_000)
    assert room.fits("a", 10, 1_000)
    room.take("b", 3, 300)
    assert room.fits("a", 7, 700)
    assert not room.fits("a", 8, 700)
    assert not room.fits("a", 7, 701)
    assert not room.fits("a", 3, 0, part=2)
    assert not room.fits("a", 0, 300, part=2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50), st.integers(0, 500)), max_size=60))
def test_none_holds_more_than_was_free(asked: list[tuple[str, int, int]]) -> None:
    """Whoever asks for what in whatever order, the room is never overfull, and each leaves what it takes."""
    room = Room(100, 1_000)
    for owner, count, size in asked:
        free, free_size = room.most - room.count, room.most_size - room.size
        if room.fits(owner, count, size):
            room.take(owner, count, size)
            assert room._by_owner[owner][0] <= free
            assert room._by_owner[owner][1] <= free_size
    assert room.count <= room.most
    assert room.size <= room.most_size
    held = room._by_owner.values()
    assert (sum(count for count, _ in held), sum(size for _, size in held)) == (room.count, room.size)
