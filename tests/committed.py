"""Reads what is committed in a topic, as a reader outside of any group does."""

import time
from collections.abc import Iterator
from typing import Final

from confluent_kafka import Consumer, Message, TopicPartition

_SILENT_S: Final = 120.0


def messages(kafka: str, topic: str) -> Iterator[Message]:
    """Yield every committed record of a topic, each partition in its order, up to its end."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "none",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,  # how long the broker takes to report the end of a partition
            "auto.offset.reset": "earliest",
            "log_level": 2,
        }
    )
    try:
        partitions = list(consumer.list_topics(topic, 30).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        unfinished, deadline = set(partitions), time.monotonic() + _SILENT_S
        while unfinished:
            assert time.monotonic() < deadline, f"{topic} could not be read to its end"
            received = consumer.consume(5000, 0.02)
            if received:
                deadline = time.monotonic() + _SILENT_S
            for message in received:
                if message.error():
                    unfinished.discard(message.partition())
                else:
                    yield message
    finally:
        consumer.close()
