"""A consumer group from outside: its members, its offsets, and how they are reset. Does not join it.

The broker is the guard: while the group has a member, it refuses commits from non-members. The offsets' metadata, which
identifies the store (docs/store.md), is kept, so that a loss of claims is still detected after a replay.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from daymark.auditing.raws import Raws

_ANSWER_S: Final = 30.0
_TAKEN: Final = {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS}


class InUse(Exception):
    """The group has members, so its offsets cannot be reset."""


class Member(NamedTuple):
    """A member of a group: its name, where it runs, and how many partitions it has."""

    name: str
    host: str
    partitions: int
    is_static: bool


def members(admin: AdminClient, group: str) -> list[Member]:
    """Return a group's current members; none if there is no such group.

    Raises:
        KafkaException: Kafka does not answer.
    """
    asked = admin.describe_consumer_groups([group], request_timeout=_ANSWER_S)[group]
    try:
        found = asked.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return []
        raise
    return [
        Member(
            each.group_instance_id or each.client_id,
            each.host.lstrip("/"),
            len(each.assignment.topic_partitions) if each.assignment else 0,
            bool(each.group_instance_id),
        )
        for each in found.members
    ]


def set_back(consumer: Consumer, raws: Raws, targets: Mapping[int, int], *, is_fresh: bool = False) -> None:
    """Reset a group's offsets, all or none, and keep their metadata.

    Args:
        consumer: of the group, not a member.
        raws: the topics of raw events.
        targets: the new offset of each partition.
        is_fresh: whether claims begin anew, so that what the offsets say of the store is no longer true.

    Raises:
        InUse: it has members.
        KafkaException: the reset failed.
    """
    # Asked for once no transaction that moves them is open: one that a killed worker left could move them after us.
    stands = raws.stands(consumer)
    if is_fresh:
        there = {number: stand.offset for number, stand in stands.items() if stand.offset is not None}
        targets = {**there, **targets}
    places = [
        raws.place(number, offset, "" if is_fresh else stands[number].metadata or "")
        for number, offset in targets.items()
    ]
    try:
        consumer.commit(offsets=places, asynchronous=False)
    except KafkaException as error:
        if error.args[0].code() in _TAKEN:
            raise InUse from None
        raise


def wait_until_empty(admin: AdminClient, group: str, say: Callable[[Sequence[Member]], None]) -> None:
    """Wait until a group has no members; report its members whenever they change.

    Raises:
        KafkaException: Kafka does not answer.
    """
    known: Sequence[Member] | None = None
    while found := members(admin, group):
        if found != known:
            say(found)
            known = found
        time.sleep(1.0)
