"""Events and their fates on real parts, as the timeline's pages ask for them."""

import time
from datetime import date, timedelta

import pytest

from daymark import settings
from daymark.showing.filling import filled
from schemas.topics import Topics
from tests import flows
from tests.flows import Road
from tests.made import make

DAY = date(2020, 5, 1)
EVENT = b'{"type":"identify","messageId":"%d","timestamp":"2020-05-01T12:00:00Z","traits":{"email":"ana@example.org"}}'


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def test_a_page_is_told_of_events_and_of_which_won(road: Road) -> None:
    """The newest events, one at its place, the winner of a day and its duplicate, a poison message as a rejection."""
    road.send([("ana@example.org", EVENT % 1), ("ana@example.org", EVENT % 2), ("ana@example.org", b"{")])
    with road.worker():
        road.wait_settled()
    with filled(settings.load(road.environment), list) as sources:
        newest = sources.newest(10)
        assert sorted((each.message_id or "", each.reason) for each in newest) == [
            ("", "malformed_json"),
            ("1", None),
            ("2", None),
        ]
        first = next(each for each in newest if each.message_id == "1")
        assert (first.email, first.day, first.raw) == ("ana@example.org", DAY, EVENT % 1)
        assert sources.event(first.source) == first
        partition = first.source.partition(":")[0]
        assert [sources.event(place) for place in (f"{partition}:99", "99:0")] == [None, None]

        near = sources.near("w", "ana@example.org", first.source)
        assert ([each.message_id for each in near.events], near.is_whole) == (["1", "2"], True)
        last = near.events[1].source
        assert [each.message_id for each in sources.near("w", "ana@example.org", last).events] == ["2"]
        assert sources.latest("w", "ana@example.org", last) == near
        assert sources.latest("other", "ana@example.org", last).events == []

        now_ms = time.time_ns() // 1_000_000
        taken, duplicate = sources.why("w", "ana@example.org", DAY, now_ms)
        assert (taken.verdict, taken.source, duplicate.verdict, duplicate.winner) == (
            "taken",
            first.source,
            "duplicate",
            first.source,
        )
        assert sources.why("w", "ana@example.org", DAY + timedelta(days=1), now_ms) == []

        road.send([("ana@example.org", EVENT % 3)])
        flows.wait_until(lambda: "3" in {each.message_id for each in sources.newest(10)}, "the next event")


def test_events_of_a_backfill_are_found_beside_live_ones(road: Road) -> None:
    """Those of a contact, and one at its place."""
    lane = road.topics.all(lane=True)[0]
    make(road.kafka, [lane])
    road.send([("ana@example.org", EVENT % 1)])
    road.send([("ana@example.org", EVENT % 2)], topic=lane.name)
    with filled(settings.load(road.environment), list) as sources:
        live = sources.newest(10)[0]
        found = sources.near("w", "ana@example.org", live.source).events
        assert [(each.message_id, each.source.startswith("backfill/")) for each in found] == [("1", False), ("2", True)]
        assert sources.event(found[1].source) == found[1]
