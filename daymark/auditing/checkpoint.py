"""How far a following audit has come: the offsets of a consumer group of its own, `<group>-audit`, which nobody joins.

A killed audit goes on from there, so that what happens while none runs is judged by the next one. All offsets are
committed in one request, all or none: of raw events, up to where they are judged; of the outputs, where the last cycle
ended and, as the offset's metadata, where it began.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from daymark.auditing import reading
from daymark.auditing.raws import Raws
from daymark.auditing.reading import Bounds

log: Final = structlog.get_logger()
_REFUSED: Final = {KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED}


class Checkpoint(NamedTuple):
    """Up to which offset events are judged, and the ends of the outputs before and after the last cycle."""

    judged: Mapping[int, int]
    before: Mapping[str, Mapping[int, int]]
    last: Mapping[str, Mapping[int, int]]

    def fits(self, raws: Bounds, outputs: Mapping[str, Bounds]) -> bool:
        """Whether it is of these topics: it lies beyond no end, as it would after one was deleted and made anew."""
        return all(offset <= raws[number][1] for number, offset in self.judged.items()) and all(
            offset <= outputs[topic][number][1] for topic, ends in self.last.items() for number, offset in ends.items()
        )


class Checkpoints:
    """Keeps the checkpoint of one group's audit. Without the permission to, it says so once, and keeps none."""

    def __init__(self, config: Mapping[str, Any], group: str, raws: Raws, outputs: Mapping[str, Sequence[int]]) -> None:
        """Connect in the background.

        Args:
            config: of the client of Kafka.
            group: that is audited.
            raws: the topics of raw events.
            outputs: the partitions of each output topic that is followed.
        """
        self._consumer = Consumer({**reading.over(config), "group.id": f"{group}-audit"})
        self._raws, self._outputs, self._is_refused = raws, outputs, False

    def load(self) -> Checkpoint | None:
        """Return the last checkpoint; None: there is none, or none of all of today's partitions.

        Raises:
            KafkaException: Kafka does not answer.
        """
        try:
            judged = self._raws.committed(self._consumer)
            stands = {topic: reading.stands(self._consumer, topic, numbers) for topic, numbers in self._outputs.items()}
        except KafkaException as error:
            self._refuse(error)
            return None
        flat = [(topic, number, stand) for topic, some in stands.items() for number, stand in some.items()]
        if None in judged.values() or any(stand.offset is None or not stand.metadata for _, _, stand in flat):
            return None
        before: dict[str, dict[int, int]] = {topic: {} for topic in stands}
        last: dict[str, dict[int, int]] = {topic: {} for topic in stands}
        for topic, number, stand in flat:
            before[topic][number], last[topic][number] = int(stand.metadata or 0), stand.offset or 0
        return Checkpoint({number: offset or 0 for number, offset in judged.items()}, before, last)

    def save(self, point: Checkpoint) -> None:
        """Keep a checkpoint in place of the last one.

        Raises:
            KafkaException: Kafka does not answer.
        """
        if self._is_refused:
            return
        places = [self._raws.place(number, offset) for number, offset in point.judged.items()]
        places += [
            TopicPartition(topic, number, end, str(point.before[topic][number]))
            for topic, ends in point.last.items()
            for number, end in ends.items()
        ]
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            self._refuse(error)

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()

    def _refuse(self, error: KafkaException) -> None:
        if error.args[0].code() not in _REFUSED:
            raise error
        self._is_refused = True
        log.warning("checkpoint.refused", error=error.args[0].name(), advice="grant Read on the group <group>-audit")
