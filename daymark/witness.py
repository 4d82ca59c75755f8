"""What Kafka knows of an installation before its first claim: the cluster's id, and the store of its claims."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any, Final, NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.errors import Fatal, Fault, KafkaAway, classify, describe
from processor.sentinel import Note, newest

_ANSWER_S: Final = 3.0

log = structlog.get_logger()


class Witness(NamedTuple):
    """The id of the Kafka cluster, None where it has none, and what the group's offsets say of the store."""

    kafka: str | None
    last: Note | None


class Reader:
    """Asks Kafka, by a consumer that never joins and connects in the background as soon as it is made.

    In librdkafka 2.16.0 an admin client dies (SIGSEGV) when it lists a group's offsets and the answer is that the
    coordinator has moved or is not there yet.
    """

    def __init__(self, config: Mapping[str, Any], group: str) -> None:
        """Take the configuration of clients, and the workers' group."""
        mine = {
            "group.id": group,
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",  # an open transaction is not waited for
            "log_level": 0,
            "error_cb": lambda _: None,  # the calls below have their own errors
        }
        self._group = group
        self._consumer = Consumer(
            {**{name: text for name, text in config.items() if name != "group.instance.id"}, **mine}
        )

    def ask(self, topic: str) -> Witness:
        """Return what Kafka says; `topic` is that of the raw events, whose offsets the group commits.

        Raises:
            KafkaAway: it does not answer.
            Fatal: it refuses us.
        """
        try:
            found = self._consumer.list_topics(topic, _ANSWER_S)
            partitions = [TopicPartition(topic, partition) for partition in found.topics[topic].partitions]
            offsets = _committed(self._consumer, partitions)
        except KafkaException as error:
            raise _fault(error.args[0], self._group) from None
        for offset in offsets:
            if offset.error is not None:
                raise _fault(offset.error, self._group)
        return Witness(found.cluster_id or None, newest(offset.metadata for offset in offsets))

    def close(self) -> None:
        """Release the connections."""
        self._consumer.close()


def ask(config: Mapping[str, Any], group: str, topic: str) -> Witness:
    """Ask once; the parameters and errors are those of `Reader`."""
    with closing(Reader(config, group)) as reader:
        return reader.ask(topic)


def _committed(reader: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    """Return the committed offsets, none if Kafka does not answer: a missing permission looks the same here.

    The worker's own consumer meets either next, and says which.
    """
    try:
        return reader.committed(partitions, _ANSWER_S)
    except KafkaException as error:
        log.warning(
            "offsets.unknown",
            error=error.args[0].str(),
            advice="a loss of claims before this start would not be detected",
        )
        return []


def _fault(error: KafkaError, group: str) -> Fault:
    if classify(error.name()) is Fatal:
        return Fatal(describe(error.name(), error.str(), group=group))
    return KafkaAway(f"the offsets of group {group} cannot be read: {error.str()}")
