"""Topics for tests and benchmarks, made."""

from collections.abc import Iterable
from typing import Final

from confluent_kafka.admin import AdminClient

from daymark.commands.topics import settle
from daymark.topic_states import want
from schemas.topics import Topic

PARTITIONS: Final = 4  # of a test's topics: enough to spread, few enough to be quick

_ANSWER_S = 60.0
_MOST_COPIES = 3


def make(kafka: str, topics: Iterable[Topic], partitions: int = PARTITIONS, copies: int | None = None) -> None:
    """Make topics as `daymark topics` does, and return when they show.

    Args:
        kafka: bootstrap servers.
        topics: which; how many partitions they would have is not looked at.
        partitions: of each.
        copies: of each; without, as many as are safe and the brokers allow.
    """
    admin = AdminClient({"bootstrap.servers": kafka})  # in a name: its answers go with it
    known = admin.list_topics(timeout=_ANSWER_S)
    copies = copies or min(_MOST_COPIES, len(known.brokers))
    states = settle(admin, known, [want(topic, partitions, copies) for topic in topics])
    assert all(state.state == "created" for state in states), states
