"""Transactions of commands that write: each has its own producer, and so its own epoch.

A late request of an earlier transaction cannot affect one of another epoch (docs/late-requests.md).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from confluent_kafka import KafkaException, Producer

# Readers of committed records wait at an open transaction for this long after a command was killed.
_TRANSACTION_MS: Final = 10_000
CALL_S: Final = 30.0
_ABORT_S: Final = 5.0
_FENCED: Final = {"_FENCED", "INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"}


def opened(config: Mapping[str, Any], transactional_id: str) -> Producer:
    """Return a producer, after ending the open transaction of a killed or concurrent run under the same id.

    Args:
        config: librdkafka's options of the connection.
        transactional_id: the name under which one run fences another.

    Raises:
        KafkaException: Kafka does not answer, or refuses us.
    """
    own = {"transactional.id": transactional_id, "transaction.timeout.ms": _TRANSACTION_MS}
    producer = Producer({**config, **own})
    producer.init_transactions(CALL_S)
    return producer


@contextmanager
def transaction(producer: Producer) -> Iterator[None]:
    """Commit what is produced within, or abort it when Kafka fails or the user interrupts.

    Raises:
        KafkaException: it was not committed, or the outcome is unknown.
    """
    try:
        producer.begin_transaction()
        yield
        producer.commit_transaction(CALL_S)
    except (KafkaException, KeyboardInterrupt):
        with suppress(KafkaException):  # fenced: whoever fenced us has ended it
            producer.abort_transaction(_ABORT_S)
        raise


def is_fenced(error: KafkaException) -> bool:
    """Whether another run has fenced this one."""
    return error.args[0].name() in _FENCED
