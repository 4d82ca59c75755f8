"""Consumers that read topics from end to end: our options over those that are given."""

from collections.abc import Sequence
from typing import cast

import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from daymark.auditing.reading import CONFIG, UNCOMMITTED, over, records

_ANY = {"bootstrap.servers": "127.0.0.1:1", "group.id": "any", "log_level": 0}


@pytest.mark.parametrize("ours", [CONFIG, UNCOMMITTED])
@pytest.mark.parametrize("given", [{}, {"message.max.bytes": "20000000"}])
def test_larger_messages_are_read(ours: dict[str, object], given: dict[str, object]) -> None:
    """Whoever lets messages be larger than our fetches gets larger fetches, not a refusal by librdkafka."""
    Consumer(over(_ANY | given, ours)).close()


class Partitions:
    """A consumer of three records in each of two partitions, as far as `records` asks it."""

    def __init__(self) -> None:
        self.assigned: list[int] = []
        self.paused: set[int] = set()

    def assign(self, places: Sequence[TopicPartition]) -> None:
        self.assigned = [each.partition for each in places]

    def unassign(self) -> None:
        self.assigned = []

    def pause(self, places: Sequence[TopicPartition]) -> None:
        self.paused |= {each.partition for each in places}

    def resume(self, places: Sequence[TopicPartition]) -> None:
        assert {each.partition for each in places} <= {*self.assigned}
        self.paused -= {each.partition for each in places}

    def consume(self, _most: int, _patience_s: float) -> list[Message]:
        return [
            Message("t", partition=number, offset=offset, value=b"")
            for number in self.assigned
            for offset in range(3)
            if number not in self.paused
        ]


def test_no_partition_is_left_paused() -> None:
    """To read on in one that was paused while its assignment ended, librdkafka takes a second."""
    consumer = Partitions()
    for _ in range(2):
        read = [each for some in records(cast("Consumer", consumer), "t", {0: (0, 3), 1: (1, 2)}) for each in some]
        assert sorted((each.partition(), each.offset()) for each in read) == [(0, 0), (0, 1), (0, 2), (1, 1)]
        assert (consumer.assigned, consumer.paused) == ([], set())
