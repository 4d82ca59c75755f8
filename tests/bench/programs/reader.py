"""A reader of committed interactions that notes when each came: `reader.py KAFKA TOPIC PARTITIONS FILE`.

The file gets, at SIGTERM and once the topic is read to its end, each key with the instant it came on the monotonic
clock, which all processes of a machine share.
"""

import signal
import sys
import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition


def main(kafka: str, topic: str, partitions: str, file: str) -> None:
    """Read until asked to stop, then to the end."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "none",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 10,
            "fetch.queue.backoff.ms": 10,
            "enable.partition.eof": True,
        }
    )
    places = [TopicPartition(topic, partition) for partition in range(int(partitions))]
    consumer.assign(
        [TopicPartition(topic, place.partition, consumer.get_watermark_offsets(place, 20)[1]) for place in places]
    )
    sys.stdout.write("assigned\n")
    sys.stdout.flush()
    came: list[tuple[float, bytes]] = []
    at_end: set[int | None] = set()
    while not (stopping and len(at_end) == len(places)):
        first = consumer.poll(0.05)
        messages = [first, *consumer.consume(10_000, 0)] if first else []
        now = time.monotonic()
        for message in messages:
            if message.error():
                at_end.add(message.partition())
            else:
                at_end.discard(message.partition())
                came.append((now, bytes(message.key() or b"")))
    consumer.close()
    Path(file).write_bytes(b"".join(b"%.6f %b\n" % one for one in came))


if __name__ == "__main__":
    main(*sys.argv[1:])
