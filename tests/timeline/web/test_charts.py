"""Pictures as numbers."""

from datetime import date, timedelta

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
