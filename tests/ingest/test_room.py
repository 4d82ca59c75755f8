"""Room is shared so that nobody's flood is another's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.load import STRANGER, Load, Share
from ingest.room import Room


def filled(room: Room, owner: str) -> int:
    """Take one after the other for an owner while they fit; return how many it holds then."""
    taken = 0
    while room.fits(owner, 1):
        room.take(owner, 1)
        taken += 1
    return taken


@pytest.mark.parametrize(("floods", "each", "left"), [(1, 500, 500), (2, 333, 333), (4, 200, 200)])
def test_floods_leave_room(floods: int, each: int, left: int) -> None:
    """One takes half, two a third each: as much as each takes is left for whoever comes next."""
    room = Room(1_000)
    names = [f"flood-{n}" for n in range(floods)]
    while wanted := [name for name in names if room.fits(name, 1)]:
        for name in wanted:
            room.take(name, 1)
    assert room.held == pytest.approx(floods * each, abs=floods)
    assert 1_000 - room.held == pytest.approx(left, abs=floods)
    assert room.fits("calm", left // 2)


def test_room_comes_back() -> None:
    """What is given is free for all, and nothing is remembered of those who hold nothing."""
    room = Room(10)
    assert filled(room, "a") == 5
    room.give("a", 5)
    assert filled(room, "b") == 5
    room.give("b", 5)
    assert (room.held, room._by_owner) == (0, {})


def test_who_holds_nothing_may_ask_for_all_that_is_free() -> None:
    """One large request is no flood."""
    room = Room(10)
    assert room.fits("a", 10)
    room.take("b", 3)
    assert room.fits("a", 7)
    assert not room.fits("a", 8)
    assert not room.fits("a", 3, part=2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), max_size=60))
def test_none_holds_more_than_was_free(asked: list[tuple[str, int]]) -> None:
    """Whoever asks for what in whatever order, the room is never overfull, and each leaves what it takes."""
    room = Room(100)
    for owner, count in asked:
        free = room.most - room.held
        if room.fits(owner, count):
            room.take(owner, count)
            assert room._by_owner[owner] <= free
    assert room.held <= room.most
    assert sum(room._by_owner.values()) == room.held


def test_a_request_moves_with_all_that_it_holds() -> None:
    """What a stranger's request holds is its workspace's once its key is known, and nobody's when it ends."""
    load = Load(10, 100)
    with Share(load) as share:
        assert share.belongs_to(STRANGER)
        assert share.hold(40)
        assert share.belongs_to("acme")
        assert share.owner == "acme"
        assert (load.bytes._by_owner, load.requests._by_owner) == ({"acme": 40}, {"acme": 1})
        assert not share.hold(40)  # it would be more than it leaves free
    assert (load.bytes._by_owner, load.requests._by_owner) == ({}, {})
    assert (load.bytes.held, load.requests.held) == (0, 0)
