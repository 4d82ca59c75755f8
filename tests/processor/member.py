"""A source on a scripted consumer: what tests of `source` do again and again."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, Message

from processor.records import Batch, Record
from processor.source import Source
from tests.processor.drivers import TOPIC, FakeConsumer

GROUP = {"group.id": "g", "partition.assignment.strategy": "cooperative-sticky"}
MARK = b"mark"


def message(partition: int, offset: int, **fields: Any) -> Message:
    return Message(**{"topic": TOPIC, "partition": partition, "offset": offset, "timestamp": (1, 7), **fields})


def messages(partition: int, *offsets: int) -> list[Message]:
    return [message(partition, offset) for offset in offsets]


def trouble(code: int) -> Message:
    return Message(topic=TOPIC, partition=0, error=KafkaError(code))


class Member:
    """A source on a fake consumer, and a topic whose mark the test sets."""

    def __init__(self, most: int = 100, **config: Any) -> None:
        self.driver = FakeConsumer()
        self.mark: bytes | None = MARK
        self.asked = 0
        self.source = Source({**GROUP, **config}, TOPIC, most, self._ask, self.driver.made)
        self.source.join()

    def _ask(self) -> bytes | None:
        self.asked += 1
        return self.mark

    def play(self, *script: Message | Callable[[FakeConsumer], None]) -> Batch | None:
        self.driver.script += script
        return self.source.next_batch()

    def read(self, *script: Message | Callable[[FakeConsumer], None]) -> list[tuple[int, int]]:
        """Return the coordinates of the batch that a script gives."""
        batch = self.play(*script)
        return [(record.partition, record.offset) for record in batch.records] if batch else []

    def sought(self) -> list[tuple[int, int]]:
        return [(partition, offset) for _, partition, offset in self.driver.called("seek")]


def batch(*places: tuple[int, int]) -> Batch:
    return Batch([Record(partition, offset, None, b"", "w", None, 7) for partition, offset in places], "m", MARK)
