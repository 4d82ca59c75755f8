"""No record of segment.events stops a partition, whatever somebody has written there."""

import pytest

from schemas.topics import Topics
from tests import foreign
from tests.flows import Road, visit


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def test_poison_messages_are_rejected(road: Road) -> None:
    """Large keys, values and headers, headers that are no text, and what cannot be decompressed: each is rejected."""
    topic = road.topics.events
    foreign.send(road.kafka, topic, b"k" * 480_000, b"v" * 540_000)
    foreign.send(road.kafka, topic, None, b"\0" * 30_000_000)
    foreign.send(road.kafka, topic, b"bomb", b"\0" * foreign.BOMB_BYTES)
    foreign.send(road.kafka, topic, b"headers", b"{}", ("workspace", b"w" * 900_000), ("received_at", b"1" * 90_000))
    foreign.send(road.kafka, topic, b"good", visit(1)[1], ("other", b"h" * 1_000_000))
    foreign.send_header(road.kafka, topic, b"work\xffspace", b"\xff")
    for key in ("bomb", "headers", "good", ""):  # behind each of them
        road.send((key, visit(contact)[1]) for contact in range(2, 4))
    with road.worker():
        road.wait_settled()
    assert sorted(interaction["email"] for interaction in road.interactions()) == [
        f"contact-{contact}@example.org" for contact in range(1, 4)
    ]
    found = sorted((rejection["reason"], rejection["workspace"] is None) for rejection in road.rejections())
    assert found == [
        ("malformed_json", True),
        ("too_large", False),
        ("too_large", False),
        ("too_large", True),
        ("too_large", True),
    ]
