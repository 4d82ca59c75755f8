"""The worker's consumer: our options beside those that are given."""

import pytest
from confluent_kafka import Consumer

from processor.consumer_config import CONFIG, with_given
from processor.lane import CONFIG as LANE

_ANY = {"bootstrap.servers": "127.0.0.1:1", "group.id": "any", "log_level": 0}


@pytest.mark.parametrize("ours", [CONFIG, LANE])
@pytest.mark.parametrize("given", [{}, {"message.max.bytes": "20000000"}, {"message.max.bytes": 20_000_000}])
def test_larger_messages_are_fetched(ours: dict[str, object], given: dict[str, object]) -> None:
    """Whoever lets messages be larger than our fetches gets larger fetches, not a refusal by librdkafka."""
    Consumer(with_given(ours, _ANY | given)).close()


def test_a_fetch_size_that_is_given_is_kept() -> None:
    """What is given comes before ours."""
    assert with_given(CONFIG, {"fetch.max.bytes": "1000000"})["fetch.max.bytes"] == "1000000"
