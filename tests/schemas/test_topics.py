"""The topics are the contract's (section 6)."""

from schemas import headers
from schemas.topics import PARTITIONER, Topic, Topics

DAY_MS = 86_400_000


def test_the_topics_are_the_contracts() -> None:
    """Names, partitions and clean-up; what is read from them must not be deleted in the middle of a sync."""
    assert list(Topics().all()) == [
        Topic("segment.events", 12, {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS)}),
        Topic("timeline.interactions", 12, {"cleanup.policy": "compact,delete", "retention.ms": str(90 * DAY_MS)}),
        Topic("contact.traits", 12, {"cleanup.policy": "compact"}),
        Topic("segment.rejected", 12, {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS)}),
    ]


def test_a_prefix_is_before_every_name() -> None:
    """Two sets of topics with different prefixes never meet."""
    topics = Topics("t1.")
    named = (topics.events, topics.interactions, topics.traits, topics.rejected)
    assert named == ("t1.segment.events", "t1.timeline.interactions", "t1.contact.traits", "t1.segment.rejected")
    assert {topic.name for topic in topics.all()} == set(named)


def test_headers_and_partitioner_are_the_contracts() -> None:
    """Other programs depend on these words."""
    assert (headers.WORKSPACE, headers.RECEIVED_AT, PARTITIONER) == ("workspace", "received_at", "murmur2_random")
