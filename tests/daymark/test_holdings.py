"""What `daymark forget` notes of a key's newest event, over several records of both lanes."""

from daymark.forgetting.holdings import Holding
from schemas.forgotten import Thing, next_event
from schemas.lanes import BACKFILL


def held(partition: int, offset: int, timestamp_ms: int) -> Holding:
    told = next_event(partition, offset), timestamp_ms
    return Holding(Thing.PROPERTY, 1, b"key", bytes(16), "w", *told, is_backfilled=partition >= BACKFILL)


def test_the_newest_event_of_a_key_counts() -> None:
    """In one lane the highest offset and the newest time; of two, whose offsets do not compare, the newest."""
    found = held(1, 7, 5).followed(held(1, 3, 9))
    assert (found.next_event, found.timestamp_ms, found.records) == (8, 9, 2)
    slow, live = held(BACKFILL + 1, 90, 5), held(1, 7, 9)
    assert slow.followed(live) == live._replace(records=2)
    assert live.followed(slow) == live._replace(records=2)
    assert live.followed(held(BACKFILL + 1, 90, 10)).is_backfilled
