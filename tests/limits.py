"""A topic's limit on what one batch may hold, lowered in a test."""

import os
import time
from typing import Any

from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from schemas.topics import MESSAGE_LIMIT

_PATIENCE_S = 60.0


def limit(kafka: str, topic: str, size: int) -> None:
    """Let a topic take batches of at most so many bytes, and return when its partitions' leaders refuse larger ones.

    A broker answers that the limit is set before each leader has heard of it. What is tried is in aborted transactions:
    readers of committed records never see it.
    """
    entry = ConfigEntry(MESSAGE_LIMIT, str(size), incremental_operation=AlterConfigOpType.SET)
    admin = AdminClient({"bootstrap.servers": kafka})
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(_PATIENCE_S)
    until = time.monotonic() + _PATIENCE_S
    for partition in admin.list_topics(topic, timeout=_PATIENCE_S).topics[topic].partitions:
        while not _refuses(kafka, topic, partition, size + 1):
            assert time.monotonic() < until, f"partition {partition} of {topic} still takes more than {size} bytes"


def _refuses(kafka: str, topic: str, partition: int, size: int) -> bool:
    answers: list[KafkaError | None] = []

    def told(error: KafkaError | None, _: Message) -> None:
        answers.append(error)

    config: dict[str, Any] = {"bootstrap.servers": kafka, "transactional.id": f"{topic}-limit", "log_level": 0}
    producer = Producer(config)
    producer.init_transactions(_PATIENCE_S)
    producer.begin_transaction()
    producer.produce(topic, os.urandom(size), b"limit", partition=partition, on_delivery=told)
    producer.flush(_PATIENCE_S)
    producer.abort_transaction(_PATIENCE_S)
    (error,) = answers
    return error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE
