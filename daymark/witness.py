"""What Kafka knows of an installation before its first claim: the cluster's id, and the store of its claims."""

from collections.abc import Mapping
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


def ask(config: Mapping[str, Any], group: str, topic: str) -> Witness:
    """Ask Kafka.

    By a consumer that never joins: in librdkafka 2.16.0 an admin client dies (SIGSEGV) when it lists a group's offsets
    and the answer is that the coordinator has moved or is not there yet.

    Args:
        config: of clients.
        group: of the workers.
        topic: the raw events, whose offsets it commits.

    Raises:
        KafkaAway: it does not answer.
        Fatal: it refuses us.
    """
    mine = {
        "group.id": group,
        "enable.auto.commit": False,
        "isolation.level": "read_uncommitted",  # an open transaction is not waited for
        "log_level": 0,
        "error_cb": lambda _: None,  # the calls below have their own errors
    }
    reader = Consumer({**{name: text for name, text in config.items() if name != "group.instance.id"}, **mine})
    try:
        found = reader.list_topics(topic, _ANSWER_S)
        partitions = [TopicPartition(topic, partition) for partition in found.topics[topic].partitions]
        offsets = _committed(reader, partitions)
    except KafkaException as error:
        raise _fault(error.args[0], group) from None
    finally:
        reader.close()
    for offset in offsets:
        if offset.error is not None:
            raise _fault(offset.error, group)
    return Witness(found.cluster_id or None, newest(offset.metadata for offset in offsets))


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
