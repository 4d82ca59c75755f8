"""What Kafka says of an installation before its first claim: which cluster it is, and where its claims were made."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, Final, NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient

from processor.errors import Fatal, KafkaAway, place, told
from processor.sentinel import Note, newest

_ANSWER_S: Final = 2.0
_LOOK_S: Final = 0.1


class Witness(NamedTuple):
    """The id of the Kafka cluster, None where it has none, and what the group's offsets say of the store."""

    kafka: str | None
    last: Note | None


def ask(admin: AdminClient, group: str, topic: str, is_told: Callable[[], bool]) -> Witness:
    """Ask Kafka.

    Args:
        admin: a client.
        group: of the workers.
        topic: the raw events, whose offsets it commits.
        is_told: whether this process is to leave; it waits no longer then.

    Raises:
        KafkaAway: it does not answer.
        Fatal: it refuses us.
    """
    cluster = admin.describe_cluster(request_timeout=_ANSWER_S)
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=_ANSWER_S)
    offsets = _answer(asked[group], group, is_told).topic_partitions
    return Witness(
        _answer(cluster, group, is_told).cluster_id or None,
        newest(offset.metadata for offset in offsets if offset.topic == topic and offset.error is None),
    )


def _answer(answer: Future[Any], group: str, is_told: Callable[[], bool]) -> Any:
    while not wait([answer], _LOOK_S).done:
        if is_told():
            raise KafkaAway("told to leave before Kafka has answered")
    try:
        return answer.result()
    except KafkaException as error:
        fault = error.args[0]
        if place(fault.name()) is Fatal:
            raise Fatal(told(fault.name(), fault.str(), group=group)) from None
        raise KafkaAway(f"the offsets of group {group} cannot be read: {fault.str()}") from None
