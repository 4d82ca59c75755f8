"""Text or number -> instant -> day (contract, section 3)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import timestamps, zones
from schemas.timestamps import Number

ZONES = ["Europe/Berlin", "Pacific/Apia", "America/St_Johns"]
EARLIEST, LATEST = datetime(1, 1, 3), datetime(9999, 12, 29)  # noqa: DTZ001  hypothesis wants them so
DAY_MS = timestamps.MILLISECONDS_A_DAY


def at(text: str) -> int:
    """Return the epoch milliseconds of Python's own ISO form."""
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2020-05-31T17:55:47.263Z", "2020-05-31T17:55:47.263+00:00"),
        ("2020-05-31t17:55:47.263z", "2020-05-31T17:55:47.263+00:00"),
        ("2020-05-31T17:55:47Z", "2020-05-31T17:55:47+00:00"),
        ("2020-05-31T17:55:47.Z", "2020-05-31T17:55:47+00:00"),
        ("2020-05-31T17:55:47.5Z", "2020-05-31T17:55:47.500+00:00"),
        ("2020-05-31T17:55:47,26Z", "2020-05-31T17:55:47.260+00:00"),
        ("2020-05-31T17:55:47.066179717Z", "2020-05-31T17:55:47.066+00:00"),
        ("2020-05-31T23:59:59.999999999Z", "2020-05-31T23:59:59.999+00:00"),
        ("1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999+00:00"),
        ("2020-05-31T17:55:47.263+05:30", "2020-05-31T12:25:47.263+00:00"),
        ("2020-05-31T17:55:47.263-0330", "2020-05-31T21:25:47.263+00:00"),
        ("2020-05-31T17:55:47+02", "2020-05-31T15:55:47+00:00"),
        ("2020-05-31T00:00:00+23:59", "2020-05-30T00:01:00+00:00"),
        ("2020-05-31 17:55:47.263", "2020-05-31T17:55:47.263+00:00"),
        ("2021-11-23T11:29Z", "2021-11-23T11:29:00+00:00"),
        ("2021-11-23 11:29", "2021-11-23T11:29:00+00:00"),
        ("2023-01-03", "2023-01-03T00:00:00+00:00"),
        ("2023-1-3", "2023-01-03T00:00:00+00:00"),
        ("2015-2-02T00:30:08.276Z", "2015-02-02T00:30:08.276+00:00"),
        ("2020-02-29", "2020-02-29T00:00:00+00:00"),
        ("0001-01-02", "0001-01-02T00:00:00+00:00"),
        ("9999-12-30T23:59:59.999Z", "9999-12-30T23:59:59.999+00:00"),
        ("1585250199", "2020-03-26T19:16:39+00:00"),
        ("0", "1970-01-01T00:00:00+00:00"),
        ("1585250199123", "2020-03-26T19:16:39.123+00:00"),
        ("2020", "1970-01-01T00:33:40+00:00"),
        ("20200531", "1970-08-22T19:15:31+00:00"),
        ("31557599999", "2970-01-07T23:59:59+00:00"),
        ("31557600000", "1971-01-01T06:00:00+00:00"),
        (Number("1585250199"), "2020-03-26T19:16:39+00:00"),
        (Number("1585250199123"), "2020-03-26T19:16:39.123+00:00"),
        (Number("1.585250199e9"), "2020-03-26T19:16:39+00:00"),
        (Number("1669285628.79"), "2022-11-24T10:27:08.790+00:00"),
        (Number("1669334399.9999999999999999"), "2022-11-24T23:59:59.999+00:00"),
        (Number("1669334399999.9999999999999"), "2022-11-24T23:59:59.999+00:00"),
        (Number("-0.0001"), "1969-12-31T23:59:59.999+00:00"),
        (Number("-86400"), "1969-12-31T00:00:00+00:00"),
        (1585250199, "2020-03-26T19:16:39+00:00"),
        (1669285628.79, "2022-11-24T10:27:08.790+00:00"),
    ],
)
def test_an_instant_is_read(value: object, expected: str) -> None:
    """Each form of the contract; fractions are cut off, so that no instant gets into the next day."""
    assert timestamps.parse(value) == at(expected)


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "NOW", "invalid-time", "null", "2020-05", "2020-05-31T", "2020-05-31T17",
        "2020-05-31T17:5", "2020-02-30", "2021-02-29", "2020-13-01", "2020-00-01", "2020-01-00", "0000-01-01",
        "0001-01-01", "9999-12-31", "10000-01-01", "+2020-05-31", "-2020-05-31", "20-05-31", "2020-005-31",
        "2020/05/31", "31.05.2020", "2020-05-31T24:00:00Z", "2020-05-31T17:60:00Z", "2016-12-31T23:59:60Z",
        "2020-05-31T7:55:47Z", "2020-05-31T17:55:47.0000000000Z", "2020-05-31T17:55.5Z",
        "2020-05-31T17:55:47+24:00", "2020-05-31T17:55:47+05:60", "2020-05-31T17:55:47+5", "2020-05-31T17:55:47Z ",
        "2020-05-31T17:55:47Z\n", " 2020-05-31", "2020-05-31T17:55:47 UTC",
        "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.298768264", "2020-05-31Z", "2020-W22-7", "2020-152",
        "20200531T175547Z", "\u0662\u0660\u0662\u0660-05-31", "\u0661585250199", "-1585250199", "+1585250199",
        "1585250199.5", "1e9", "9" * 21, "99999999999999999999", Number("1e400"), Number("-1e400"),
        Number("9" * 30_000), Number("1e" + "9" * 400), Number("254000000000000"), True, False, None, [], {},
        b"2020-05-31", float("nan"), float("inf"), float("-inf"),
    ],
)  # fmt: skip
def test_anything_else_is_no_instant(value: object) -> None:
    """A leap second, a 30th of February, Go's own text, words, other digits, what is beyond the years 1 to 9999."""
    assert timestamps.parse(value) is None


def test_a_number_too_long_to_be_written_is_no_instant() -> None:
    """Python refuses to write whole numbers of over 4300 digits."""
    assert timestamps.parse(10**5000) is None


@given(st.datetimes(EARLIEST, LATEST), st.just("Z") | st.integers(-1439, 1439), st.integers(0, 9))
def test_digits_beyond_the_millisecond_move_nothing(moment: datetime, zone: int | str, digits: int) -> None:
    """Any instant, with Z or any offset, and with 0 to 9 digits of a second, is the millisecond that it lies in."""
    fraction = f".{moment.microsecond:06d}999"[: digits + 1] if digits else ""
    offset = zone if isinstance(zone, int) else 0
    suffix = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}" if zone == offset else "Z"
    whole = at(f"{moment.replace(microsecond=0).isoformat()}+00:00") - offset * 60_000
    expected = whole + (int(fraction[1:4].ljust(3, "0")) if digits else 0)
    assert timestamps.parse(f"{moment.date().isoformat()}T{moment:%H:%M:%S}{fraction}{suffix}") == expected


@given(st.text() | st.integers() | st.floats() | st.text("0123456789-:.TZ+ eE", max_size=30) | st.none())
def test_any_value_has_an_answer(value: Any) -> None:
    """`parse` is total, for numbers as JSON gives them, too, and its instants have a day in every zone."""
    for read in (value, Number(value)):
        instant = timestamps.parse(read)
        if instant is not None:
            for zone in (None, zones.find("Pacific/Kiritimati"), zones.find("Etc/GMT+12")):
                assert abs(timestamps.day(instant, zone) - instant // DAY_MS) <= 1


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        (None, "2020-05-31T23:59:59.999+00:00", "2020-06-01T00:00+00:00"),
        ("UTC", "1969-12-31T23:59:59.999+00:00", "1970-01-01T00:00+00:00"),
        ("Europe/Berlin", "2020-03-28T22:59:59.999+00:00", "2020-03-28T23:00+00:00"),
        ("Europe/Berlin", "2020-03-29T21:59:59.999+00:00", "2020-03-29T22:00+00:00"),
        ("Europe/Berlin", "2020-10-24T21:59:59.999+00:00", "2020-10-24T22:00+00:00"),
        ("Europe/Berlin", "2020-10-25T22:59:59.999+00:00", "2020-10-25T23:00+00:00"),
        ("America/St_Johns", "2020-05-31T02:29:59.999+00:00", "2020-05-31T02:30+00:00"),
        ("America/St_Johns", "2020-01-31T03:29:59.999+00:00", "2020-01-31T03:30+00:00"),
        ("Asia/Kathmandu", "2020-05-31T18:14:59.999+00:00", "2020-05-31T18:15+00:00"),
    ],
)
def test_a_day_begins_at_midnight_of_its_zone(zone: str | None, before: str, after: str) -> None:
    """A millisecond before is the day before: in summer and winter, on days of 23 and 25 hours."""
    found = zones.find(zone) if zone else None
    assert timestamps.day(at(before), found) + 1 == timestamps.day(at(after), found)


def test_a_day_that_a_zone_skipped_does_not_exist() -> None:
    """Samoa went from 29 to 31 December 2011."""
    apia, skipped = zones.find("Pacific/Apia"), (date(2011, 12, 30) - date(1970, 1, 1)).days
    assert timestamps.day(at("2011-12-30T09:59:59.999+00:00"), apia) == skipped - 1
    assert timestamps.day(at("2011-12-30T10:00+00:00"), apia) == skipped + 1


@given(st.integers(-62_000_000_000_000, 253_000_000_000_000), st.sampled_from(ZONES))
def test_a_day_is_the_date_on_the_wall(timestamp_ms: int, name: str) -> None:
    """Whole arithmetic gives the day that Python's own date has there."""
    zone = zones.find(name)
    wall = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=timestamp_ms)).astimezone(zone).date()
    assert timestamps.day(timestamp_ms, zone) == (wall - date(1970, 1, 1)).days
