"""The life of an audience: all members at first, then who leaves and enters, hour by hour."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given, settings

from daymark.simulation import life, people
from daymark.simulation.computations import AUDIENCE, ENTERED, LEFT
from daymark.simulation.life import Life, Notice
from tests.daymark.lives import START_MS, WHOLE, lives


def hours(plan: Life) -> dict[int, list[Notice]]:
    """Return the history by hours, which must be in their order."""
    grouped = [(hour, list(notices)) for hour, notices in groupby(life.history(plan), lambda notice: notice.hour)]
    assert [hour for hour, _ in grouped] == list(range(plan.hours))
    return dict(grouped)


def moved(notices: list[Notice], code: int) -> set[int]:
    return {notice.person for notice in notices if (notice.which, notice.code) == (AUDIENCE, code)}


@given(lives())
@settings(deadline=None)
def test_members_are_those_who_entered_and_did_not_leave(plan: Life) -> None:
    """Only members leave, only others enter; a re-sync sends all members and nobody else."""
    by_hour = hours(plan)
    members = set(range(plan.members))
    assert moved(by_hour[0], ENTERED) == members
    for hour in range(1, plan.hours):
        entered, left = moved(by_hour[hour], ENTERED), moved(by_hour[hour], LEFT)
        if hour in plan.resync_hours:
            assert (entered, left) == (members, set())
        else:
            assert left <= members
            assert entered.isdisjoint(members)
            assert len(entered) == len(left) == max(1, plan.members // 50)
            members = members - left | entered
        assert max(members) < plan.people


@given(lives())
@settings(deadline=None)
def test_an_exit_is_told_to_every_identifier_and_the_rest_to_those_that_are_synced(plan: Life) -> None:
    found: dict[tuple[int, int, int, int], list[int]] = defaultdict(list)
    for notice in life.history(plan):
        found[notice.hour, notice.person, notice.which, notice.code].append(notice.place)
    for (_, person, which, code), places in found.items():
        identity = people.identity(person)
        exits = which == AUDIENCE and code == LEFT
        assert places == list(range(len(identity.identifiers) if exits else identity.synced))


@given(lives())
@settings(deadline=None)
def test_of_one_property_no_two_timestamps_are_equal_and_the_last_is_the_newest(plan: Life) -> None:
    newest: dict[tuple[int, int], int] = {}
    for notice in life.history(plan):
        contact, timestamp_ms = life.contact(notice), life.timestamp_ms(plan, notice)
        begins_ms = plan.start_ms + notice.hour * life.HOUR_MS
        assert begins_ms <= timestamp_ms < begins_ms + life.HOUR_MS - life.RECEIPT_MS
        if contact is not None:
            assert newest.get((contact, notice.which), 0) < timestamp_ms
            newest[contact, notice.which] = timestamp_ms


@given(lives())
@settings(deadline=None)
def test_the_same_life_has_the_same_history(plan: Life) -> None:
    assert list(life.history(plan)) == list(life.history(plan))


def test_another_seed_is_another_life() -> None:
    assert list(life.history(WHOLE)) != list(life.history(replace(WHOLE, seed=2)))


def test_people_are_of_every_kind() -> None:
    """Some have two addresses, some none, some an anonymous id beside it; some an address that is not synced."""
    kinds = Counter(people.identity(person) for person in range(1600))
    addresses = Counter(
        len({one.address for one in identity.identifiers if one.address is not None}) for identity in kinds.elements()
    )
    assert addresses == {0: 100, 1: 1100, 2: 400}
    assert any(one.anonymous for identity in kinds for one in identity.identifiers)
    assert any(identity.synced < len(identity.identifiers) for identity in kinds)


def test_members_leave_and_come_back() -> None:
    """Within a day some do both, which is what makes late and replayed calls wrong ones."""
    seen: dict[int, list[int]] = defaultdict(list)
    for notice in life.history(WHOLE):
        if notice.which == AUDIENCE and notice.place == 0 and notice.hour not in WHOLE.resync_hours:
            seen[notice.person].append(notice.code)
    assert sum(len(codes) > 2 for codes in seen.values()) > 50


def test_resyncs_lie_evenly_among_deltas() -> None:
    assert replace(WHOLE, resyncs=2).resync_hours == {11, 22}
    assert replace(WHOLE, deltas=0, resyncs=2).resync_hours == {1, 2}
    assert replace(WHOLE, deltas=1, resyncs=3).resync_hours == {2, 3, 4}


@pytest.mark.parametrize(
    "wrong",
    [
        {"members": 0},
        {"deltas": -1},
        {"resyncs": -1},
        {"replays": -1},
        {"out_of_order": 1.1},
        {"repeated": -0.1},
        {"audience": "!!!"},
    ],
)
def test_a_life_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Life(**({"members": 1, "start_ms": START_MS} | wrong))
