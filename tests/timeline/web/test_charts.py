"""Pictures as numbers."""

from datetime import date, timedelta

import pytest

from timeline.web import charts


def test_a_calendar_draws_each_day_once() -> None:
    """Those with an interaction as cells, Mondays at the top; the others in one path."""
    until = date(2026, 11, 25)  # a Wednesday: 52 weeks and three days
    days = {until, until - timedelta(2), until - timedelta(3), until - timedelta(400), until + timedelta(1)}
    drawn = charts.calendar(days, until)
    last = 52 * charts.CELL
    assert drawn.cells == [
        (until - timedelta(3), last - charts.CELL, 6 * charts.CELL),
        (until - timedelta(2), last, 0),
        (until, last, 2 * charts.CELL),
    ]
    assert drawn.silent.count("M") == 52 * 7 + 3 - 3
    assert f"M{last + 2.5} {charts.CELL + 2.5}h" in drawn.silent


def test_every_name_of_a_month_is_within_the_picture() -> None:
    """Also of the month that has just begun."""
    for number in range(370):
        drawn = charts.calendar((), date(2026, 1, 1) + timedelta(number))
        assert max(x for x, _ in drawn.months) <= drawn.width - 22


@pytest.mark.parametrize(
    ("most", "lines"),
    [
        ((0, 0), [0]),
        ((1, 0), [1, 0]),
        ((1, 1), [1, 0, 1]),
        ((2_477, 238), [3_000, 2_000, 1_000, 0, 1_000]),
        ((7, 30), [10, 0, 10, 20, 30]),
    ],
)
def test_comings_and_goings_are_on_one_scale_of_round_numbers(most: tuple[int, int], lines: list[int]) -> None:
    drawn = charts.bars([("a", *most), ("b", 0, 0)], 180)
    assert [number for _, number in reversed(drawn.grid)] == lines
    places = [y for y, _ in drawn.grid]
    assert (max(places), min(places)) == ((180, 0) if any(most) else (0, 0))
    assert (drawn.zero, 0) in drawn.grid
    bar, nothing = drawn.bars
    assert 0 <= drawn.zero - bar.up <= drawn.zero + bar.down <= 180
    assert (bar.up > 0, bar.down > 0, nothing.up, nothing.down) == (most[0] > 0, most[1] > 0, 0, 0)
    assert bar.width < nothing.x == 50


def test_a_stay_that_has_just_begun_is_seen() -> None:
    found = charts.span(999, None, 0, 1_000)
    assert found is not None
    assert found.x + found.width <= 1_000
    assert found.width >= 8
