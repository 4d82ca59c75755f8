"""Commits one transaction per batch: results, rejections and consumed offsets. The other user of confluent_kafka here.

Decides nothing about events. Invariant: `commit` returns only when everything is committed; after `Aborted` nothing is;
after `SessionLost` the outcome is unknown, and only the committed offsets show it. A producer epoch is used for another
transaction only while none of its connections has failed (`connections`): an older request may still be in transit.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from processor.aside import aside
from processor.connections import Connections
from processor.errors import Aborted, Fatal, Fault, KafkaAway, SessionLost, classify, describe
from processor.records import Batch, Output
from processor.troubles import Troubles
from schemas import lanes
from schemas.headers import TRACEPARENT, Headers
from schemas.topics import BATCH_BYTES, LEAST_BATCH_BYTES, MESSAGE_LIMIT, PARTITIONER

# What the guarantee needs of a producer (a transactional id brings idempotence and acks=all), and what keeps it quick.
CONFIG: Final[Mapping[str, Any]] = {
    "partitioner": PARTITIONER,
    "compression.type": "lz4",
    "linger.ms": 5,
    # A transaction that begins before the end marker of the last one is written must retry: by default after 100 ms.
    "retry.backoff.ms": 10,
    "reconnect.backoff.ms": 20,  # half of it lies between the connections to two brokers
    "queue.buffering.max.messages": 250_000,  # over twice the largest batch
    "queue.buffering.max.kbytes": 262_144,
}

_ONCE_S = 5.0  # how long one call may wait before checking whether to continue
_LEAST_S = 0.1  # the time-out of a call at the very end of the budget
_READY_S = 10.0  # how long a producer may take until it is ready
_TOO_LARGE = "MSG_SIZE_TOO_LARGE"
_FAILED = "_STATE"  # reported elsewhere
_REFUSED = {"TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED"}

log = structlog.get_logger()


class Sink:
    """A transactional producer."""

    def __init__(
        self,
        config: Mapping[str, Any],
        topic: str,
        budget_s: float,
        producer: Callable[..., Producer] = Producer,
        clock: Callable[[], float] = time.monotonic,
        *,
        note: Callable[[], str] = str,
        limit: Callable[[], int | None] = lambda: None,
        backfill: str = "",
    ) -> None:
        """Create a producer, which connects in the background; `poll` initialises it.

        Args:
            config: the producer's, with transactional id.
            topic: the raw events, whose offsets are committed.
            budget_s: how long a transaction may take, its abort included: less than the driver waits for an answer
                (socket.timeout.ms), so that no request times out and is retried within a later transaction.
            producer: makes the driver's producer from its settings.
            clock: seconds, monotonic.
            note: returns what is committed with the offsets, as their metadata.
            limit: returns the `batch.size` that the topics currently allow; None: unknown.
            backfill: the raw events of a backfill, whose offsets are committed, too, where a batch has some.
        """
        self._note = note
        self._events, self._backfill, self._budget_s = topic, backfill, budget_s
        self._troubles = Troubles("producer")
        self._make, self._clock = producer, clock
        self._outputs: Sequence[Output] = ()  # of the transaction at hand
        self._deadline = 0.0  # of the transaction at hand
        self._config = {**CONFIG, "batch.size": BATCH_BYTES, **config}
        self._limit = limit
        self._renew()

    @property
    def ready(self) -> bool:
        """Whether `init_transactions` has completed, which ends what an earlier producer left open."""
        return self._ready

    def fit(self) -> None:
        """Make no larger batches than the topics take. To be called before anything is written."""
        found = self._limit()
        if found is not None and found < int(self._config["batch.size"]):
            self._config["batch.size"] = found
            self.close()
            self._renew()

    def commit(self, outputs: Sequence[Output], batch: Batch) -> None:
        """Commit outputs and a batch's offsets atomically.

        Raises:
            Aborted: nothing was written.
            SessionLost: the outcome is unknown; this sink must not be used again.
            Fatal: Kafka refuses the transaction.
        """
        self._outputs = outputs
        self._serve()  # also what the last transaction left in the driver's log
        if self._connections.failed:
            # A request of an earlier transaction may still be on its way: the next epoch fences it. And librdkafka may
            # keep a broker that went away as the group's coordinator, and wait for it without end (librdkafka issues
            # 5456 and 5511): a new producer asks again.
            self.close()
            self._renew()
        if not self._ready:
            self._make_ready(_ONCE_S)
        note = self._note()
        following = {**batch.kept, **batch.next_offsets()}
        offsets = [self._place(partition, offset, note) for partition, offset in following.items()]
        self._deadline = self._clock() + self._budget_s
        try:
            self._try(lambda _: self._producer.begin_transaction())
            self._produce(outputs)
            self._try(lambda left_s: self._send_offsets(offsets, batch.membership, left_s))
            self._try(self._producer.commit_transaction)
        except Aborted:
            self._abort()
            raise

    def poll(self) -> None:
        """Serve the producer's callbacks and continue its initialisation, without waiting; idle workers poll, too.

        Ending a transaction that a predecessor left open takes a while, in which the worker joins its group and reads.
        That order is safe: until then the group returns no offset of that transaction, and refuses former members.

        Raises:
            SessionLost, Fatal: the producer cannot be had.
        """
        self._serve()
        if not self._ready:
            self._make_ready(0)

    def close(self) -> None:
        """Release the producer; Kafka aborts its open transaction when the next one starts."""
        try:
            self._producer.purge()
            self._producer.flush(_ONCE_S)
        except KafkaException as error:
            log.warning("producer.closed_badly", error=error.args[0].str())

    def _place(self, partition: int, offset: int, note: str) -> TopicPartition:
        topic = self._backfill if lanes.is_backfill(partition) else self._events
        return TopicPartition(topic, lanes.own(partition), offset, note)

    def _serve(self) -> None:
        try:
            self._producer.poll(0)
        except KafkaException as error:  # of an idle producer, what is fatal is raised here
            raise self._fault(error.args[0]) from error

    def _abort(self) -> None:
        try:
            self._try(self._producer.abort_transaction)
        except Aborted as error:  # not undone after all
            raise SessionLost(str(error)) from error

    def _renew(self) -> None:
        self._ready = False
        self._connections = Connections(self._troubles)
        self._producer = self._make({**self._config, **self._connections.config()})
        self._ready_by = self._clock() + _READY_S

    def _make_ready(self, wait_s: float) -> None:
        """Continue initialising the producer, for at most so long; a pending call is resumed."""
        try:
            self._producer.init_transactions(wait_s)
        except KafkaException as error:
            code = error.args[0]
            if not code.retriable():
                raise self._fault(code) from error
            if wait_s or self._clock() > self._ready_by:  # again and again is the worker's to say
                raise KafkaAway(f"Kafka: {code.str()}") from error
        else:
            self._ready = True

    def _send_offsets(self, offsets: list[TopicPartition], membership: Any, wait_s: float) -> None:
        """Make the one call that can hang, in a separate thread, which is abandoned with its producer.

        What it would still do is void: the next producer of this transactional id fences this one.
        """
        send = self._producer.send_offsets_to_transaction
        outcome = aside(lambda: send(offsets, membership, wait_s))
        try:
            outcome.result(max(self._deadline - self._clock(), wait_s))
        except TimeoutError:
            raise KafkaAway("the group's coordinator does not answer") from None

    def _produce(self, outputs: Sequence[Output]) -> None:
        produce = self._producer.produce
        for output in outputs:
            partition = -1 if output.partition is None else output.partition
            while True:
                try:
                    if output.trace is None:
                        produce(output.topic, output.value, output.key, partition)
                    else:
                        headers: Headers = [(TRACEPARENT, output.trace)]
                        produce(output.topic, output.value, output.key, partition, headers=headers)
                    break
                except BufferError:
                    self._producer.poll(0.1)
                except KafkaException as error:
                    raise self._fault(error.args[0]) from error

    def _try(self, call: Callable[[float], Any]) -> None:
        """Make a call that may block for some seconds; retry while the driver allows it and the budget lasts."""
        while True:
            try:
                call(min(max(self._deadline - self._clock(), _LEAST_S), _ONCE_S))
            except KafkaException as error:
                code = error.args[0]
                if not code.retriable() or code.txn_requires_abort():
                    raise self._fault(code) from error
                if self._clock() > self._deadline:
                    raise KafkaAway(f"Kafka: {code.str()}") from error
            else:
                return

    def _cause(self, error: KafkaError) -> KafkaError:
        """Return why a transaction failed.

        Once it has, some calls say no more than _STATE, `produce` among them. To begin another is refused with the
        error that the driver keeps, and changes nothing (librdkafka's rd_kafka_txn_require_state).
        """
        if error.name() == _FAILED:
            try:
                self._producer.begin_transaction()
            except KafkaException as kept:
                error = kept.args[0]
        return error

    def _fault(self, error: KafkaError) -> Fault:
        """Return what an error of the driver means for the current transaction."""
        error = self._cause(error)
        written = ", ".join(sorted({output.topic for output in self._outputs}))
        things = {"topic": written, "group": "DAYMARK_GROUP", "transactional_id": str(self._config["transactional.id"])}
        said = describe(error.name(), error.str(), right="Write", **things)
        if error.name() in _REFUSED:
            return Fatal(said)
        if error.txn_requires_abort():
            if error.name() == _TOO_LARGE:
                return self._shrink(said)
            # The driver's own verdict, a time-out say, is no answer: the request may still be on its way.
            self._connections.failed |= error.name().startswith("_")
            return Aborted(said)
        return Fatal(said) if classify(error.name()) is Fatal and not error.fatal() else SessionLost(said)

    def _shrink(self, said: str) -> Fault:
        """Use smaller batches from the next transaction on: a topic's limit was lowered, or is unknown."""
        size, limit = int(self._config["batch.size"]), self._limit()
        smaller = limit if limit is not None and limit < size else size // 2
        if smaller < LEAST_BATCH_BYTES:
            written = ", ".join(sorted({output.topic for output in self._outputs}))
            return Fatal(f"{said}: a single record is larger than its topic allows; raise {MESSAGE_LIMIT} of {written}")
        log.warning("batches.smaller", batch_bytes=smaller, error=said)
        self._config["batch.size"] = smaller
        self._connections.failed = True  # the next transaction is a new producer's
        return Aborted(said)
