"""A process that does nothing but what exactly-once takes: consume, produce everything, transactions of 10,000."""

import signal
import sys

from confluent_kafka import Consumer, Producer, TopicPartition

BATCH = 10_000


def main(kafka: str, source: str, target: str, group: str) -> None:
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
    producer = Producer({**config, "transactional.id": group, "compression.type": "lz4", "linger.ms": 5})
    producer.init_transactions()
    consumer.subscribe([source], on_assign=say_assigned)
    while running:
        messages = [message for message in consumer.consume(BATCH, 0.1) if not message.error()]
        if not messages:
            continue
        producer.begin_transaction()
        offsets: dict[int, int] = {}
        for message in messages:
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            producer.produce(target, message.value(), message.key(), partition)
            offsets[partition] = offset + 1
        places = [TopicPartition(source, *place) for place in offsets.items()]
        producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata())
        producer.commit_transaction()
    consumer.close()


main(*sys.argv[1:])
