"""Consumers that read topics from end to end: our options over those that are given."""

import pytest
from confluent_kafka import Consumer

from daymark.auditing.reading import CONFIG, UNCOMMITTED, over

_ANY = {"bootstrap.servers": "127.0.0.1:1", "group.id": "any", "log_level": 0}


@pytest.mark.parametrize("ours", [CONFIG, UNCOMMITTED])
@pytest.mark.parametrize("given", [{}, {"message.max.bytes": "20000000"}])
def test_larger_messages_are_read(ours: dict[str, object], given: dict[str, object]) -> None:
    """Whoever lets messages be larger than our fetches gets larger fetches, not a refusal by librdkafka."""
    Consumer(over(_ANY | given, ours)).close()
