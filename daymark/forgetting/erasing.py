"""Erases a contact's records: tombstones, and a mark of each for the audit, in one transaction.

Invariant: a tombstone is committed if and only if its mark is. Creating the producer ends the open transaction of a
killed or concurrent run; the contact's records are read only after that. So a run after a kill does all of it, or finds
nothing left to do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from daymark import transactions
from daymark.forgetting.holdings import Holding, Holdings
from schemas.forgotten import HEADER_FORGOTTEN, Forgotten, Thing
from schemas.topics import Topics


class NotErased(Exception):
    """The transaction was not committed, or the outcome is unknown; running the command again settles it."""


class Eraser:
    """Erases one contact."""

    def __init__(
        self,
        config: Mapping[str, Any],
        topics: Topics,
        find: Callable[[], Holdings],
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            config: of the connection.
            topics: their names.
            find: returns the contact's current records.
            step: called with the name of each step before it is taken.
        """
        self._config = config
        self._topics, self._find, self._step = topics, find, step

    def erase(self) -> Holdings:
        """Erase all of the contact's records, or none; return their keys.

        Raises:
            NotErased: the outcome is unknown.
            KafkaException: the contact's records cannot be read.
        """
        try:
            producer = transactions.opened(self._config, transactional_id(self._topics))
        except KafkaException as error:
            raise _not_erased(error) from None
        self._step("find")
        found = self._find()
        if not found.held:
            return found
        try:
            with transactions.transaction(producer):
                self._write(producer, found.held)
                self._step("commit")
        except KafkaException as error:
            raise _not_erased(error) from None
        return found

    def _write(self, producer: Producer, held: Sequence[Holding]) -> None:
        """Write the tombstones, and then the marks, which contain their offsets."""
        self._step("tombstones")
        written: dict[tuple[str, int, bytes], int] = {}

        def noted(error: KafkaError | None, message: Message) -> None:
            if error is None:  # the commit raises any error
                place: Any = message.topic(), message.partition(), message.key()
                written[place] = int(message.offset() or 0)

        for each in held:
            producer.produce(self._topic(each), None, each.key, each.partition, on_delivery=noted)
            producer.poll(0)
        producer.flush(transactions.CALL_S)
        self._step("marks")
        for each in held:
            at = written.get((self._topic(each), each.partition, each.key))
            if at is None:
                raise KafkaException(KafkaError(KafkaError._FAIL, "a tombstone was not taken"))  # noqa: SLF001
            mark = Forgotten(each.thing, each.identity, at, each.next_event, each.timestamp_ms)
            headers: Any = [(HEADER_FORGOTTEN, mark.packed())]
            producer.produce(self._topics.rejected, None, None, each.partition, headers=headers)
            producer.poll(0)

    def _topic(self, held: Holding) -> str:
        return self._topics.interactions if held.thing is Thing.INTERACTION else self._topics.traits


def transactional_id(topics: Topics) -> str:
    """Return the name under which one run fences another."""
    return f"daymark-{topics.prefix}forget"


def _not_erased(error: KafkaException) -> NotErased:
    if transactions.is_fenced(error):
        return NotErased("another `daymark forget` has started; when it has finished, run this one again")
    return NotErased(f"{error.args[0].str()}; run it again: it erases what is left, or finds nothing to do")
