"""Where the calendar ends, and numbers that no calendar has: pages like any others."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from tests.timeline.rows import contact_key
from tests.timeline.web import showcase
from tests.timeline.web.asking import Read, ask, days
from tests.timeline.web.showcase import WORKSPACE, Made
from timeline.store import Store
from timeline.store.batches import Batch, Change
from timeline.store.writing import Writer
from timeline.web.app import make
from timeline.web.audiences import key as audience_key
from timeline.web.rendering import now_ms
from timeline.web.sources import Event, Trace

EMAIL = "peter@example.com"
PETER = contact_key(WORKSPACE, EMAIL)
EDGES = (date.min, date.min + timedelta(1), date.max - timedelta(1), date.max)


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, list[Event]]]:
    """Yield a store with a contact's entries on the first and the last days of the calendar, and their events."""
    with showcase.empty(tmp_path_factory.mktemp("edge")) as there:
        batch = Batch()
        ids = [showcase.add_entry(batch, EMAIL, day, "Signed up", (5, at)) for at, day in enumerate(EDGES)]
        changed_at_ms = -62_135_596_800_000, 253_402_300_799_999, -(1 << 62), (1 << 63) - 1
        for at, (identity, at_ms) in enumerate(zip(ids, changed_at_ms, strict=True)):
            batch.interactions[identity] = batch.interactions[identity]._replace(at_ms=at_ms, received_at_ms=at_ms)
            key = contact_key(WORKSPACE, EMAIL)
            batch.change(Change(f"{at}", key, WORKSPACE, f"audience {at}", "audience", "true", True, at_ms), EMAIL)
            batch.change(Change(f"{at + 4}", key, WORKSPACE, f"trait {at}", "trait", "1", None, at_ms), EMAIL)
        writer = Writer(there.url)
        writer.write(batch, showcase.NOW_MS)
        writer.close()
        yield (
            there,
            [
                Event(f"5:{at}", at_ms, WORKSPACE, b"{}", EMAIL, None, at_ms, day, identity)
                for at, (identity, at_ms, day) in enumerate(zip(ids, changed_at_ms, EDGES, strict=True))
            ],
        )


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "UTC", "Etc/GMT+12"])
def test_the_first_and_the_last_day_of_the_calendar_are_days_like_others(
    edge: tuple[Store, list[Event]], zone: str
) -> None:
    """With an entry and without one, in any zone, whatever instant a record names."""
    made = Made()
    there, made.events = edge
    asked: list[int] = []

    def why(_workspace: str, _email: str, day: date, came_ms: int) -> list[Trace]:
        asked.append(came_ms)
        return [Trace("5:1", at_ms, "taken", "", at_ms, None, day) for at_ms in (-(1 << 63), (1 << 63) - 1)]

    sources = made.sources()._replace(zone=lambda _: zone, why=why)
    app = make(there, sources)
    other = ask(app, f"/contacts/{PETER}").text
    assert "after the year 9999" in other
    paths = [f"/contacts/{PETER}", "/audiences", "/deliveries", *(f"/events/5:{at}" for at in range(len(EDGES)))]
    paths += [f"/audiences/{audience_key(WORKSPACE, f'audience {at}')}?step=day" for at in range(len(EDGES))]
    for day in (*EDGES, date(1969, 12, 31), date(2400, 2, 29)):
        paths += [f"/contacts/{PETER}/days/{day}", f"/contacts/{PETER}?before={day}"]
    for path in paths:
        answer = ask(app, path)
        assert answer.status_code == 200, (path, answer.text)
    assert len(asked) == 2  # days without an entry
    assert 0 <= min(asked) <= max(asked) <= now_ms()
    for at, day in enumerate(EDGES):
        link = next(each for each in Read(ask(app, f"/events/5:{at}").text).links if each.endswith(f"#{day}"))
        assert days(Read(ask(app, link).text))[0] == f"{day}"
