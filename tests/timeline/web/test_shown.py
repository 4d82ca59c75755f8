"""Values as they read on a page."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest

from timeline.web import shown

FIRST_MS, LAST_MS = (int(datetime(*day, tzinfo=UTC).timestamp()) * 1000 for day in ((1, 1, 1), (9999, 12, 31)))


@pytest.mark.parametrize("at_ms", [FIRST_MS, LAST_MS + 86_399_999, FIRST_MS - 1, -(1 << 63), (1 << 63) - 1])
def test_every_instant_reads_in_every_zone(at_ms: int) -> None:
    """A calendar has the years 1 to 9999, and which instants those are depends on the zone."""
    for name in available_timezones():
        zone = ZoneInfo(name)
        said = shown.at(at_ms, zone)
        assert said in {"before the year 1", "after the year 9999"} or said.endswith(f", {shown.clock(at_ms, zone)}")
    assert shown.iso(at_ms)[:4] in {"0001", "9999"}


def test_what_no_calendar_has_is_said() -> None:
    assert (shown.at(-(1 << 63)), shown.at((1 << 63) - 1)) == ("before the year 1", "after the year 9999")
    assert shown.at(LAST_MS) == "31 Dec 9999, 00:00:00"
    assert shown.clock(1 << 62) == shown.NOTHING
    assert (shown.iso(-(1 << 62)), shown.iso(1 << 62)) == ("0001-01-01T00:00:00.000Z", "9999-12-31T00:00:00.000Z")


def test_what_was_not_today_is_said_with_its_day() -> None:
    now_ms = int(datetime(2026, 12, 1, 0, 10, tzinfo=UTC).timestamp()) * 1000
    said = [shown.recent(now_ms - minutes * 60_000, now_ms) for minutes in (0, 10, 11, 400 * 1_440)]
    assert said == ["00:10:00", "00:00:00", "30 Nov, 23:59:00", "27 Oct 2025, 00:10:00"]
    assert shown.recent(1 << 62, now_ms) == "after the year 9999"
