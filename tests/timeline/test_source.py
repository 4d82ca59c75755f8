"""Kafka's messages as the reader gets them, from a driver that says what the real one says."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition

from timeline.source import KafkaDown, Record, Source

PLACE = ("timeline.interactions", 3)


class Driver:
    """Gives the messages it is told; notes where reading is to go on."""

    def __init__(self, *batches: list[Message]) -> None:
        self.batches, self.sought = [*batches], list[int]()

    def consume(self, *_: Any) -> list[Message]:
        return self.batches.pop(0)

    def assign(self, places: list[TopicPartition]) -> None:
        self.sought += [place.offset for place in places]

    def seek(self, place: TopicPartition) -> None:
        self.sought.append(place.offset)


def message(offset: int, code: int | None = None, value: bytes | None = b"v") -> Message:
    error = None if code is None else KafkaError(code)
    return Message(PLACE[0], partition=PLACE[1], offset=offset, key=b"k", value=value, error=error, timestamp=(1, 5))


def taken(*batches: list[Message], first: int = 0) -> tuple[list[Record], list[int]]:
    """Return what a source takes of some batches of messages, and the offsets from which it read."""
    source = Source({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}, [PLACE[0]])
    source.close()
    driver: Any = Driver(*batches)
    source._consumer = driver
    source.read_from({PLACE: first})
    return [record for _ in batches for record in source.take(10, 0)], driver.sought


def test_records_tombstones_and_ends_are_told_apart() -> None:
    found, _ = taken([message(7), message(8, value=None), message(9, KafkaError._PARTITION_EOF)])
    assert found == [
        Record(PLACE, 7, b"k", b"v", (), 5),
        Record(PLACE, 8, b"k", None, (), 5),
        Record(PLACE, 9, is_end=True),
    ]


def test_a_batch_that_cannot_be_decompressed_is_passed_over_record_by_record() -> None:
    """The driver says its first offset each time, and may do so twice before it has gone on after it."""
    bad = message(4, KafkaError._BAD_COMPRESSION)
    found, sought = taken([message(5), bad, bad, message(6)], [bad], [message(8)], first=4)
    assert [(record.offset, record.is_unreadable) for record in found] == [(5, False), (6, True), (7, True), (8, False)]
    assert sought == [4, 7, 8]


def test_faults_that_heal_are_waited_for_and_others_are_told() -> None:
    assert taken([message(-1001, KafkaError._ALL_BROKERS_DOWN), message(3)])[0] == [Record(PLACE, 3, b"k", b"v", (), 5)]
    with pytest.raises(KafkaDown, match="authorization"):
        taken([message(3, KafkaError.TOPIC_AUTHORIZATION_FAILED)])
