"""Produces events straight to the topic, as ingest would publish them: raw bytes, keyed, with its two headers.

Nothing is rejected here: invalid events are left to the processor.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from daymark.simulation.audience import Event
from daymark.simulation.tally import Pace, Tally
from schemas import headers
from schemas.topics import PARTITIONER

CONFIG: Final[dict[str, Any]] = {
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "partitioner": PARTITIONER,
    "linger.ms": 20,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 128 * 1024,
}

_Count = Callable[[KafkaError | None, Message], None]

_POLL_EVERY = 200  # events between two polls for delivery reports


class Destination(NamedTuple):
    """The topic of raw events, and the workspace to which they belong."""

    topic: str
    workspace: str


def publish(events: Iterable[Event], producer: Producer, to: Destination, pace: Pace, tally: Tally) -> None:
    """Produce every event and wait until Kafka has acknowledged it or delivery has failed for good.

    Args:
        events: taken one by one, as the producer's queue has room.
        producer: made with `CONFIG`; its `message.timeout.ms` bounds the wait.
        to: where they go.
        pace: on `time.monotonic`.
        tally: is updated.

    Raises:
        KafkaException: the producer failed fatally.
    """

    def count(error: KafkaError | None, _message: Message) -> None:
        if error is None:
            tally.sent += 1
        else:
            tally.failed += 1

    produced = 0
    for event in events:
        wait_s = pace.delay(1, time.monotonic())
        if wait_s > 0:
            _poll_for(producer, wait_s)
        _produce(producer, to, event, count)
        produced += 1
        if produced % _POLL_EVERY == 0:
            producer.poll(0)
            tally.advance(_POLL_EVERY)
    tally.advance(produced % _POLL_EVERY)
    while producer.flush(1.0):
        pass


def _produce(producer: Producer, to: Destination, event: Event, count: _Count) -> None:
    packed = headers.pack(to.workspace, time.time_ns() // 1_000_000)
    while True:
        try:
            producer.produce(to.topic, event.body, event.contact, on_delivery=count, headers=packed)
        except BufferError:
            producer.poll(0.1)  # the queue is full until something is delivered
        else:
            return


def _poll_for(producer: Producer, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        producer.poll(min(left, 0.2))
