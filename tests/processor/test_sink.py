"""The producer's half of the guarantee: one transaction a batch, and what is known after each of its failures."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError

from processor.errors import Aborted, Fatal, KafkaAway, SessionLost
from processor.records import Batch, Output, Record
from processor.sink import Sink
from tests.processor.drivers import TOPIC, FakeProducers, failure

RECORDS = [Record(partition, offset, None, b"", "w", None, 0) for partition, offset in [(0, 5), (2, 8), (0, 6)]]
BATCH = Batch(RECORDS, "membership of the batch", b"mark")
OUTPUTS = [Output("interactions", b"id", b"value", 2), Output("rejected", None, b"raw", None)]
PRODUCED = [("produce", "interactions", b"value", b"id", 2), ("produce", "rejected", b"raw", None, -1)]
SENT = ("send", {(TOPIC, 0): 7, (TOPIC, 2): 9}, "membership of the batch")

PASSING = failure(KafkaError.CONCURRENT_TRANSACTIONS, retriable=True)
ABORTING = failure(KafkaError.UNKNOWN_MEMBER_ID, txn_requires_abort=True)
FENCED = failure(KafkaError._FENCED, fatal=True)
ODD = failure(KafkaError._STATE)
STEPS = ["begin", "produce", "send", "commit"]


@pytest.fixture
def producers() -> Iterator[FakeProducers]:
    made = FakeProducers()
    yield made
    made.gate.set()


def sink(producers: FakeProducers, budget_s: float = 60.0) -> Sink:
    return Sink({"transactional.id": "slot"}, TOPIC, budget_s, producers.make)


def test_a_batch_is_one_transaction(producers: FakeProducers) -> None:
    """Results and rejections, then the next offsets under the batch's own membership, then the commit."""
    sink(producers).commit(OUTPUTS, BATCH)
    assert producers.told("poll") == [("init",), ("begin",), *PRODUCED, SENT, ("commit",)]


def test_a_result_carries_the_trace_of_its_event(producers: FakeProducers) -> None:
    sink(producers).commit([Output("interactions", b"id", b"value", 2, b"trace")], BATCH)
    assert ("produce", "interactions", b"value", b"id", 2, [("traceparent", b"trace")]) in producers.calls


def test_a_batch_without_results_commits_its_offsets(producers: FakeProducers) -> None:
    """Nothing but duplicates: the group moves on all the same."""
    sink(producers).commit([], BATCH)
    assert producers.told("poll") == [("init",), ("begin",), SENT, ("commit",)]


def test_the_producer_partitions_as_java_does(producers: FakeProducers) -> None:
    sink(producers)
    (config,) = producers.configs
    assert (config["transactional.id"], config["partitioner"]) == ("slot", "murmur2_random")


@pytest.mark.parametrize("step", ["begin", "send", "commit"])
def test_what_may_be_called_again_is(producers: FakeProducers, step: str) -> None:
    """The very same call, until it succeeds; no other in between."""
    producers.plans.plan(step, PASSING, PASSING)
    sink(producers).commit(OUTPUTS, BATCH)
    names = [call[0] for call in producers.told("poll")]
    assert [name for name in names if name != step] == [
        name for name in ["init", "begin", "produce", "produce", "send", "commit"] if name != step
    ]
    at = names.index(step)
    assert names[at : at + 3] == [step] * 3


@pytest.mark.parametrize("step", ["begin", "send", "commit"])
def test_not_for_ever(producers: FakeProducers, step: str) -> None:
    """Beyond its budget a call is given up, and nobody knows whether it took effect: nothing is aborted."""
    found = sink(producers, 0.0)
    producers.plans.plan(step, *[PASSING] * 100)
    with pytest.raises(KafkaAway):
        found.commit(OUTPUTS, BATCH)
    assert producers.told("poll")[-1][0] == step


@pytest.mark.parametrize("step", ["produce", "send", "commit"])
def test_aborted(producers: FakeProducers, step: str) -> None:
    """The transaction is undone first, then said to be; the next one begins afresh."""
    found = sink(producers)
    producers.plans.plan(step, ABORTING)
    with pytest.raises(Aborted):
        found.commit(OUTPUTS, BATCH)
    names = [call[0] for call in producers.told("poll")]
    assert names[-2:] == [step, "abort"]
    found.commit(OUTPUTS, BATCH)
    assert producers.told("poll")[len(names) :] == [("begin",), *PRODUCED, SENT, ("commit",)]


def test_an_abort_is_asked_for_where_a_retry_is_offered_too(producers: FakeProducers) -> None:
    """What requires an abort is not called again."""
    producers.plans.plan("send", failure(KafkaError._TIMED_OUT, retriable=True, txn_requires_abort=True))
    with pytest.raises(Aborted):
        sink(producers).commit(OUTPUTS, BATCH)
    assert producers.told("poll")[-2:] == [SENT, ("abort",)]


def test_an_abort_that_passes_is_tried_again(producers: FakeProducers) -> None:
    producers.plans.plan("send", ABORTING)
    producers.plans.plan("abort", PASSING, PASSING)
    with pytest.raises(Aborted):
        sink(producers).commit(OUTPUTS, BATCH)
    assert producers.told("poll")[-3:] == [("abort",)] * 3


@pytest.mark.parametrize("error", [FENCED, ODD, ABORTING, failure(KafkaError.INVALID_TXN_STATE)])
def test_an_abort_that_fails_loses_the_session(producers: FakeProducers, error: Exception) -> None:
    """The transaction may still be open: another one cannot begin."""
    producers.plans.plan("commit", ABORTING)
    producers.plans.plan("abort", error)
    with pytest.raises(SessionLost):
        sink(producers).commit(OUTPUTS, BATCH)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("error", [FENCED, ODD, failure(KafkaError.INVALID_RECORD, fatal=True)])
def test_a_lost_producer_loses_the_session(producers: FakeProducers, step: str, error: Exception) -> None:
    """Another took this slot over, or the driver is at its end: nothing more is called, but to ask why."""
    found = sink(producers)
    producers.plans.plan(step, error)
    if error is ODD:
        producers.plans.plan("begin", *[lambda: None] * (step != "begin"), error)
    with pytest.raises(SessionLost):
        found.commit(OUTPUTS, BATCH)
    assert producers.told("poll")[-1][0] == ("begin" if error is ODD else step)


@pytest.mark.parametrize("step", ["init", *STEPS])
@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (failure(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, fatal=True), "Write on transactional_id slot"),
        (
            failure(KafkaError.TOPIC_AUTHORIZATION_FAILED, txn_requires_abort=True),
            "Write on topic interactions, rejected",
        ),
        (failure(KafkaError.GROUP_AUTHORIZATION_FAILED, txn_requires_abort=True), "Read on group"),
    ],
)
def test_a_refusal_is_fatal(producers: FakeProducers, step: str, error: Exception, advice: str) -> None:
    """No new session gives a worker the rights it lacks; what it lacks is named."""
    producers.plans.plan(step, error)
    with pytest.raises(Fatal, match=f"grant {advice}"):
        sink(producers).commit(OUTPUTS, BATCH)


def test_a_record_that_kafka_never_takes_is_fatal(producers: FakeProducers) -> None:
    producers.plans.plan("produce", failure(KafkaError.MSG_SIZE_TOO_LARGE))
    with pytest.raises(Fatal):
        sink(producers).commit(OUTPUTS, BATCH)


def test_a_full_queue_is_waited_for(producers: FakeProducers) -> None:
    """The driver is given time to send, then takes the same record; the others keep their order."""
    found = sink(producers)
    producers.plans.plan("produce", BufferError("full"), BufferError("full"))
    found.poll()
    before = len(producers.calls)
    found.commit(OUTPUTS, BATCH)
    assert producers.calls[before + 1 :] == [
        *[("begin",), PRODUCED[0], ("poll",), PRODUCED[0], ("poll",)],
        *[*PRODUCED, SENT, ("commit",)],
    ]


def test_a_coordinator_that_never_answers_is_given_up(producers: FakeProducers) -> None:
    """`send_offsets_to_transaction` can hang in spite of its timeout: the worker does not hang with it."""
    found = sink(producers, 0.05)
    producers.gate.clear()
    with pytest.raises(KafkaAway, match="coordinator"):
        found.commit(OUTPUTS, BATCH)
    assert producers.told("poll")[-1] == SENT


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE])
def test_a_producer_that_lost_a_broker_is_renewed(producers: FakeProducers, code: int) -> None:
    """Before the next transaction, and once: the driver may wait for that broker without end."""
    found = sink(producers)
    producers.complaints.append(code)
    found.poll()
    assert len(producers.configs) == 1
    found.commit([], BATCH)
    transaction: list[tuple[Any, ...]] = [("begin",), SENT, ("commit",)]
    assert producers.told("poll") == [("init",), ("purge",), ("flush",), ("init",), *transaction]
    own = {"logger", "error_cb"}
    first, second = ({key: config[key] for key in config.keys() - own} for config in producers.configs)
    assert first == second
    found.commit([], BATCH)
    assert producers.told("poll")[7:] == transaction
    assert len(producers.configs) == 2


def test_a_broker_lost_since_the_last_batch_is_heard_of_before_the_next(producers: FakeProducers) -> None:
    """Also when nobody polled in the meantime."""
    found = sink(producers)
    found.poll()
    producers.complaints.append(KafkaError._TRANSPORT)
    found.commit([], BATCH)
    assert len(producers.configs) == 2
    assert [call[0] for call in producers.told("poll")].index("begin") == 4


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.ERROR])
@pytest.mark.parametrize("facility", ["FAIL", "REQTMOUT"])
def test_a_producer_whose_request_may_be_repeated_is_renewed(
    producers: FakeProducers, facility: str, level: int
) -> None:
    """The driver's log is the only sign: no error callback, and the call succeeds on the second connection."""
    found = sink(producers)
    found.commit([], BATCH)
    producers.lines.append((facility, level))
    before = len(producers.calls)
    found.commit([], BATCH)
    names = [call[0] for call in producers.calls[before:]]
    assert names == ["poll", "purge", "flush", "init", "begin", "send", "commit"]
    found.commit([], BATCH)
    assert len(producers.configs) == 2


def test_a_line_read_during_a_transaction_counts_after_it(producers: FakeProducers) -> None:
    """A transaction waits for room in the queue, and reads the log meanwhile: the next one gets a new producer."""
    found = sink(producers)
    producers.plans.plan("begin", lambda: producers.lines.append(("FAIL", logging.INFO)))
    producers.plans.plan("produce", BufferError("full"))
    found.commit(OUTPUTS, BATCH)
    assert len(producers.configs) == 1
    found.commit([], BATCH)
    assert len(producers.configs) == 2


def test_the_log_level_shows_every_connection_that_breaks(producers: FakeProducers) -> None:
    """Whatever is passed through: at a level below 6, or without closed connections, a repeat goes unseen."""
    Sink({"transactional.id": "slot", "log_level": 2, "log.connection.close": False}, TOPIC, 60.0, producers.make)
    assert [(config["log_level"], config["log.connection.close"]) for config in producers.configs] == [(6, True)]


def test_other_complaints_renew_nothing(producers: FakeProducers) -> None:
    found = sink(producers)
    producers.complaints.append(KafkaError._MSG_TIMED_OUT)
    producers.lines += [("GETPID", logging.ERROR), ("FAIL", logging.DEBUG)]
    found.commit([], BATCH)
    assert len(producers.configs) == 1


@pytest.mark.parametrize(("error", "producers_made"), [(KafkaError._TIMED_OUT, 2), (KafkaError.ILLEGAL_GENERATION, 1)])
def test_an_abort_without_an_answer_renews_the_producer(
    producers: FakeProducers, error: int, producers_made: int
) -> None:
    """What the driver gave up waiting for may still arrive; what a broker refused has arrived."""
    found = sink(producers)
    producers.plans.plan("send", failure(error, txn_requires_abort=True))
    with pytest.raises(Aborted):
        found.commit([], BATCH)
    found.commit([], BATCH)
    assert len(producers.configs) == producers_made


def test_the_calls_of_a_transaction_share_one_budget(producers: FakeProducers) -> None:
    """No call begins anew what the calls before it have used up, and none waits beyond it."""
    now = 0.0

    def later() -> None:
        nonlocal now
        now += 4.0
        raise PASSING

    found = Sink({"transactional.id": "slot"}, TOPIC, 7.0, producers.make, lambda: now)
    producers.plans.plan("send", later)
    producers.plans.plan("commit", later)
    with pytest.raises(KafkaAway):
        found.commit([], BATCH)
    assert producers.waits == [("send", 5.0), ("send", 3.0), ("commit", 3.0)]


def test_a_producer_gets_ready_beside_other_work(producers: FakeProducers) -> None:
    """Each poll takes up what the last one began, and none waits; the first commit does what is left of it."""
    producers.plans.plan("init", *[PASSING] * 2)
    found = sink(producers)
    ready = []
    for step in (found.poll, found.poll, lambda: found.commit([], BATCH)):
        step()
        ready.append(found.ready)
    assert ready == [False, False, True]
    assert producers.told("poll") == [("init",), ("init",), ("init",), ("begin",), SENT, ("commit",)]


def test_a_producer_that_cannot_be_had_is_kafka_away(producers: FakeProducers) -> None:
    """How often to try again is the worker's to say. The same for a renewed one, and nothing is begun."""
    producers.plans.plan("init", *[PASSING] * 100)
    with pytest.raises(KafkaAway):
        sink(producers).commit([], BATCH)
    producers.plans = type(producers.plans)()
    found = sink(producers)
    found.poll()
    producers.complaints.append(KafkaError._TRANSPORT)
    producers.plans.plan("init", *[PASSING] * 100)
    with pytest.raises(KafkaAway):
        found.commit([], BATCH)
    assert ("begin",) not in producers.calls


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (failure(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, fatal=True), Fatal),
        (FENCED, SessionLost),
    ],
)
def test_what_befalls_an_idle_producer_is_told(
    producers: FakeProducers, error: Exception, fault: type[Exception]
) -> None:
    """The driver raises what is fatal from its poll."""
    producers.plans.plan("poll", error)
    with pytest.raises(fault):
        sink(producers).poll()


def test_an_idle_worker_whose_producer_never_gets_ready_starts_over(producers: FakeProducers) -> None:
    """A coordinator that does not answer is not waited for without end."""
    now = iter((0.0, 9.0, 11.0))
    producers.plans.plan("init", *[PASSING] * 100)
    found = Sink({"transactional.id": "slot"}, TOPIC, 60.0, producers.make, lambda: next(now))
    found.poll()
    with pytest.raises(KafkaAway):
        found.poll()


@pytest.mark.parametrize("step", ["purge", "flush"])
def test_closing_never_raises(producers: FakeProducers, step: str) -> None:
    producers.plans.plan(step, ODD)
    sink(producers).close()
    assert (step,) in producers.calls
