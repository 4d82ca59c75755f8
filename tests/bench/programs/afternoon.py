"""What an engineer writes in an afternoon: poll, a pipelined SET NX, produce, flush, commit.

A good one: batches, one round trip to Redis a batch, offsets committed only after the flush. What it lacks is an owner
in the key and a transaction: killed after the SET and before the flush it takes what it never wrote for a duplicate.
"""

import signal
import sys
import unicodedata
from typing import Any

import msgspec
import redis
from confluent_kafka import Consumer, Message, Producer, TopicPartition

BATCH = 10_000
TTL_S = 8 * 86_400


def main(kafka: str, source: str, target: str, group: str, store: str) -> None:
    running = True

    def say_assigned(*_: object) -> None:
        sys.stdout.write("assigned\n")
        sys.stdout.flush()

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    config = {"bootstrap.servers": kafka}
    consumer = Consumer(
        {
            **config,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 20,
            "partition.assignment.strategy": "cooperative-sticky",
        }
    )
    producer = Producer({**config, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5})
    client = redis.Redis.from_url(store)
    consumer.subscribe([source], on_assign=say_assigned)
    while running:
        messages = [message for message in consumer.consume(BATCH, 0.1) if not message.error()]
        if messages:
            take(messages, client, producer, target, group)
            consumer.commit(offsets=offsets(messages), asynchronous=False)
    consumer.close()


def take(messages: list[Message], client: "redis.Redis", producer: Producer, target: str, group: str) -> None:
    read = [(message.key() or b"", msgspec.json.decode(message.value() or b"")) for message in messages]
    days = [(email, event["timestamp"][:10], event) for email, event in read if email_of(event)]
    pipeline = client.pipeline(transaction=False)
    for email, day, _ in days:
        pipeline.set(f"{group}:{email.decode()}:{day}", 1, nx=True, ex=TTL_S)
    for (email, day, event), is_first in zip(days, pipeline.execute(), strict=True):
        if is_first:
            found = {"email": email_of(event), "day": day, "timestamp": event["timestamp"], "description": url(event)}
            producer.produce(target, msgspec.json.encode(found), email)
            producer.poll(0)
    producer.flush()


def email_of(event: dict[str, Any]) -> str | None:
    traits = event.get("traits", {})
    for name in ("email", "Email", "EMAIL", "E-mail", "e_mail"):
        if name in traits:
            return unicodedata.normalize("NFC", traits[name].strip()).lower()
    return None


def url(event: dict[str, Any]) -> str:
    return event.get("event") or event.get("context", {}).get("page", {}).get("url") or "Contact visited your website"


def offsets(messages: list[Message]) -> list[TopicPartition]:
    """Return where to go on; of a partition the last message counts."""
    following: dict[int, int] = {}
    for message in messages:
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        following[partition] = offset + 1
    topic = messages[0].topic()
    return [TopicPartition(str(topic), *place) for place in following.items()]


if __name__ == "__main__":
    main(*sys.argv[1:])
