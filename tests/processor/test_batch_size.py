"""A topic takes less than a producer's batch: the next batches are smaller, whichever call of the driver reports it."""

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError

from processor.errors import Aborted, Fatal, SessionLost
from processor.records import Batch, Output, Record
from processor.sink import Sink
from schemas.topics import BATCH_BYTES, LEAST_BATCH_BYTES
from tests.processor.drivers import TOPIC, FakeProducers, failure

BATCH = Batch([Record(0, 5, None, b"", "w", None, 0)], "membership", b"mark")
OUTPUTS = [Output("interactions", b"id", b"value", 0)] * 2
TOO_LARGE = failure(KafkaError.MSG_SIZE_TOO_LARGE, txn_requires_abort=True)
STATE = failure(KafkaError._STATE)


def nothing() -> None:
    pass


def told_by_commit(producers: FakeProducers) -> None:
    """All is handed over before a broker refuses it."""
    producers.plans.plan("commit", TOO_LARGE)


def told_by_begin(producers: FakeProducers) -> None:
    """A broker has refused the first before the second is handed over: `produce` says that nothing can be."""
    producers.plans.plan("produce", nothing, STATE)
    producers.plans.plan("begin", nothing, TOO_LARGE)


def told_by_begin_after_send(producers: FakeProducers) -> None:
    """A broker has refused a batch while the offsets were on their way: `send` says that they cannot be."""
    producers.plans.plan("send", failure(KafkaError._STATE, txn_requires_abort=True))
    producers.plans.plan("begin", nothing, TOO_LARGE)


def sizes(producers: FakeProducers) -> list[Any]:
    return [config["batch.size"] for config in producers.configs]


@pytest.mark.parametrize("tell", [told_by_commit, told_by_begin, told_by_begin_after_send])
@pytest.mark.parametrize(("limit", "smaller"), [(None, BATCH_BYTES // 2), (20_000, 20_000)])
def test_the_next_transaction_has_smaller_batches(
    tell: Callable[[FakeProducers], None], limit: int | None, smaller: int
) -> None:
    """By the topic's limit, or half as large where nobody says it; the transaction at hand is aborted, not lost."""
    producers = FakeProducers()
    found = Sink({"transactional.id": "slot"}, TOPIC, 60.0, producers.make, limit=lambda: limit)
    tell(producers)
    with pytest.raises(Aborted):
        found.commit(OUTPUTS, BATCH)
    assert producers.calls[-1] == ("abort",)
    found.commit(OUTPUTS, BATCH)
    assert sizes(producers) == [BATCH_BYTES, smaller]
    assert producers.calls[-1] == ("commit",)


def test_a_transaction_that_failed_is_only_aborted() -> None:
    """No offsets are sent, and no commit is asked for, once a record was not taken."""
    producers = FakeProducers()
    told_by_begin(producers)
    with pytest.raises(Aborted):
        Sink({"transactional.id": "slot"}, TOPIC, 60.0, producers.make).commit(OUTPUTS, BATCH)
    names = [name for name, *_ in producers.told("poll")]
    assert names == ["init", "begin", "produce", "produce", "begin", "abort"]


@pytest.mark.parametrize("kept", [failure(KafkaError._FENCED, fatal=True), STATE, None])
def test_a_driver_at_its_end_loses_the_session(kept: Exception | None) -> None:
    """Where the error that it keeps is a fatal one, or it keeps none, nothing more is called."""
    producers = FakeProducers()
    producers.plans.plan("produce", STATE)
    producers.plans.plan("begin", nothing, kept or nothing)
    with pytest.raises(SessionLost):
        Sink({"transactional.id": "slot"}, TOPIC, 60.0, producers.make).commit(OUTPUTS, BATCH)
    assert producers.calls[-1] == ("begin",)


def test_a_record_that_no_batch_makes_fit_is_fatal() -> None:
    """Halving ends where every batch is one record."""
    producers = FakeProducers()
    found = Sink({"transactional.id": "slot", "batch.size": LEAST_BATCH_BYTES}, TOPIC, 60.0, producers.make)
    told_by_commit(producers)
    with pytest.raises(Fatal, match="a single record is larger than its topic allows; raise"):
        found.commit(OUTPUTS, BATCH)
