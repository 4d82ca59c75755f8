"""Resends dead letters: events to segment.events and their marks to segment.rejected, in one transaction.

Invariant: a letter's event is committed if and only if its mark is, and never twice. Each transaction has its own
producer, and so its own epoch. Initialising it ends what a killed or concurrent run has left open; then marks are
read up to the end, and letters that have one are skipped. So a late request of an earlier transaction cannot affect
this one either (docs/late-requests.md).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException, Producer

from daymark import transactions
from daymark.resending.letters import HEADER_RESENT, Letter, Marks
from daymark.resending.mending import Event
from schemas import headers
from schemas.topics import PARTITIONER, Topics

BATCH: Final = 2_000  # letters per transaction


class NotSent(Exception):
    """A transaction was not committed, or the outcome is unknown; running the command again sends the rest."""


class Resend(NamedTuple):
    """A letter, and the event to send for it."""

    letter: Letter
    event: Event


class Sender:
    """Resends letters."""

    def __init__(
        self,
        config: Mapping[str, Any],
        topics: Topics,
        sent: Callable[[], Marks],
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            config: of the connection.
            topics: their names.
            sent: reads the marks up to the end, and returns the resent letters.
            step: called with the name of each step before it is taken.
        """
        self._config = {
            **config,
            "partitioner": PARTITIONER,
            "compression.type": "lz4",
            "linger.ms": 20,
        }
        self._topics, self._sent, self._step = topics, sent, step

    def send(self, resends: Sequence[Resend]) -> int:
        """Send the letters that have no mark yet, all or none; return their number.

        Raises:
            NotSent: the outcome is unknown.
            KafkaException: the marks cannot be read.
        """
        try:
            producer = transactions.opened(self._config, transactional_id(self._topics))
        except KafkaException as error:
            raise _not_sent(error) from None
        sent = self._sent()
        due = [resend for resend in resends if (resend.letter.partition, resend.letter.offset) not in sent]
        try:
            with transactions.transaction(producer):
                self._write(producer, due)
        except KafkaException as error:
            raise _not_sent(error) from None
        return len(due)

    def _write(self, producer: Producer, due: Sequence[Resend]) -> None:
        received_at_ms = time.time_ns() // 1_000_000
        self._step("events")
        for letter, event in due:
            self._publish(producer, letter, event, received_at_ms)
        self._step("marks")
        for letter, _ in due:
            mark: headers.Headers = [(HEADER_RESENT, b"%d" % letter.offset)]
            producer.produce(self._topics.rejected, None, letter.key, letter.partition, headers=mark)
        self._step("commit")

    def _publish(self, producer: Producer, letter: Letter, event: Event, received_at_ms: int) -> None:
        packed = [*headers.pack(event.workspace, received_at_ms), (HEADER_RESENT, letter.place.encode())]
        producer.produce(self._topics.events, event.value, event.key, headers=packed)


def transactional_id(topics: Topics) -> str:
    """Return the name under which one resend fences another."""
    return f"daymark-{topics.prefix}resend"


def _not_sent(error: KafkaException) -> NotSent:
    if transactions.is_fenced(error):
        return NotSent("another `daymark rejected resend` was started and has fenced this one")
    return NotSent(f"{error.args[0].str()}; what was committed is marked, so run it again for the rest")
