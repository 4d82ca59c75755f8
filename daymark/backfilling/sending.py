"""Sends batches of events into segment.events, each with its number in one transaction.

Invariant: a batch's events are committed if and only if its number is. The number is the offset of a group of the
backfill's own, which nobody joins. A producer is reused for the next transaction only if no connection has failed,
since a request of an older transaction may still be in transit (docs/late-requests.md).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from daymark.auditing import reading
from daymark.backfilling.judging import Event
from processor import connections
from processor.aside import aside
from schemas import headers
from schemas.topics import LEAST_MESSAGE_BYTES, PARTITIONER, batch_bytes

# Readers of committed events wait at an open transaction for this long after a backfill was killed.
_TRANSACTION_MS: Final = 10_000
_CALL_S: Final = 30.0
_ABORT_S: Final = 5.0
_FENCED: Final = {"_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"}
_DEBUG: Final = 10  # of Python's logging, to whose levels the driver's are mapped


class NotSent(Exception):
    """A batch was not committed, or the outcome is unknown until `begin`. `is_final`: retrying is pointless."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class Destination(NamedTuple):
    """The topic of raw events, their workspace, and the group that stores the batch number."""

    topic: str
    workspace: str
    group: str
    transactional_id: str


class Sender:
    """Sends batches one after the other."""

    def __init__(
        self,
        config: Mapping[str, Any],
        to: Destination,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            config: of the connection.
            to: where events go.
            step: called with the name of each step before it is taken.
        """
        self._config = {
            **config,
            "transactional.id": to.transactional_id,
            "transaction.timeout.ms": _TRANSACTION_MS,
            "partitioner": PARTITIONER,
            "compression.type": "lz4",
            "batch.size": batch_bytes([LEAST_MESSAGE_BYTES]),  # fits into any topic that events fit into
            "linger.ms": 5,
        }
        self._to, self._step = to, step
        self._producer: Producer | None = None
        self._heard = _Heard()
        # It never joins; it queries the number once no open transaction can change it.
        self._reader = Consumer({**reading.over(config), "group.id": to.group, "error_cb": lambda _: None})

    def begin(self) -> int | None:
        """End the open transaction of an earlier sender, and return the number of the last committed batch, if any.

        Raises:
            NotSent: Kafka does not answer, or refuses us.
        """
        self._release()
        self._heard = _Heard()
        listening = {**connections.CONFIG, "error_cb": self._heard.on_error, "logger": self._heard}
        try:
            self._producer = Producer({**self._config, **listening})
            self._producer.init_transactions(_CALL_S)
            found = self._reader.committed([TopicPartition(self._to.topic, 0)], _CALL_S)[0]
        except KafkaException as error:
            raise _not_sent(error) from None
        if found.error is not None:
            raise NotSent(found.error.str())
        return found.offset if found.offset >= 0 else None

    def send(self, events: Sequence[Event], number: int) -> None:
        """Commit a batch under its number.

        Raises:
            NotSent: the outcome is unknown until `begin`.
        """
        if self._producer is not None:
            self._producer.poll(0)  # log lines of the last transaction
        if self._producer is None or self._heard.failed:
            self.begin()
        producer = self._producer
        assert producer is not None  # noqa: S101  `begin` has made it
        try:
            producer.begin_transaction()
            self._step("events")
            self._produce(producer, events)
            self._step("number")
            self._send_number(producer, number)
            self._step("commit")
            producer.commit_transaction(_CALL_S)
        except (KafkaException, KeyboardInterrupt) as error:
            with suppress(KafkaException):  # fenced: whoever fenced us has ended it
                producer.abort_transaction(_ABORT_S)
            self._release()
            if isinstance(error, KafkaException):
                raise _not_sent(error) from None
            raise

    def close(self) -> None:
        """Release the clients. A transaction left open is ended by the next sender, or by Kafka."""
        self._release()
        self._reader.close()

    def _release(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaException):
                producer.purge()
                producer.flush(_ABORT_S)

    def _produce(self, producer: Producer, events: Sequence[Event]) -> None:
        packed = headers.pack(self._to.workspace, time.time_ns() // 1_000_000)
        for event in events:
            while True:
                try:
                    producer.produce(self._to.topic, event.value, event.key, headers=packed)
                    break
                except BufferError:
                    producer.poll(0.1)

    def _send_number(self, producer: Producer, number: int) -> None:
        """Make the one call that can hang (librdkafka issues 5456 and 5511) in a thread that may be abandoned."""
        place, member = TopicPartition(self._to.topic, 0, number), self._reader.consumer_group_metadata()
        outcome = aside(lambda: producer.send_offsets_to_transaction([place], member, _CALL_S))
        try:
            outcome.result(_CALL_S)
        except TimeoutError:
            self._release()
            raise NotSent("the group's coordinator does not answer") from None


class _Heard:
    """Listens for failed connections, after which the driver may repeat a request. Logs nothing itself."""

    def __init__(self) -> None:
        self.failed = False

    def on_error(self, _error: Any) -> None:
        """Note an error that the driver reports outside of any call."""
        self.failed = True

    def log(self, level: int, _form: str, facility: str, _client: str, _line: str) -> None:
        """Note a line of the driver's log."""
        self.failed |= level > _DEBUG and facility in connections.REPEATS


def _not_sent(error: KafkaException) -> NotSent:
    fault = error.args[0]
    if fault.name() in _FENCED:
        return NotSent("another backfill with this state was started and has fenced this one", is_final=True)
    is_final = "AUTHORIZATION_FAILED" in fault.name() or fault.name() in {"_AUTHENTICATION", "_SSL"}
    return NotSent(fault.str(), is_final=is_final)
