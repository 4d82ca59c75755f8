"""Moves the leaders of a topic's partitions to other replicas, as an operator who balances a cluster does.

Each partition's replicas get a new order (AlterPartitionReassignments, which librdkafka does not have: it is spoken
here), then the first of them is elected. Invariant: no replica is added or removed, so that no data moves.
"""

import socket
import struct
from collections.abc import Mapping, Sequence

from confluent_kafka import ElectionType, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.faults.frames import Api, Request

_ANSWER_S = 15.0
_CORRELATION = 1
_ERROR_AT = 13  # of an answer of version 0: after size, correlation id, tags and throttle time
_NO_TAGS = b"\0"


def move(kafka: str, topic: str) -> int:
    """Move the leader of each partition that has another replica in sync; return how many moved.

    Raises:
        KafkaException: nobody answers.
        OSError: the same.
    """
    # The time-out is that of the connection: elect_leaders fails with one (findings/elect-leaders-timeout.sh).
    admin = AdminClient({"bootstrap.servers": kafka, "socket.timeout.ms": round(_ANSWER_S * 1000), "log_level": 2})
    partitions = admin.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions
    orders = {number: led_by_another(of.replicas, of.leader, of.isrs) for number, of in partitions.items()}
    moving = {number: order for number, order in orders.items() if order}
    if not moving:
        return 0
    _reorder(kafka, topic, moving)
    places = [TopicPartition(topic, number) for number in moving]
    elected = admin.elect_leaders(ElectionType.PREFERRED, places).result()
    return sum(error is None for error in elected.values())


def led_by_another(replicas: Sequence[int], leader: int, in_sync: Sequence[int]) -> list[int]:
    """Return the replicas in an order that begins with another one in sync; nothing where there is none."""
    if leader not in replicas:
        return []
    place = replicas.index(leader)
    others = [*replicas[place + 1 :], *replicas[:place]]
    first = next((node for node in others if node in in_sync), None)
    if first is None:
        return []
    return [first, *(node for node in (*others, leader) if node != first)]


def request(topic: str, orders: Mapping[int, Sequence[int]]) -> Request:
    """Return the AlterPartitionReassignments request, version 0, that gives partitions' replicas an order."""
    partitions = b"".join(
        struct.pack(">i", number) + _many([struct.pack(">i", node) for node in order]) + _NO_TAGS
        for number, order in orders.items()
    )
    name = topic.encode()
    head = struct.pack(">hhih", Api.ALTER_PARTITION_REASSIGNMENTS, 0, _CORRELATION, -1) + _NO_TAGS
    body = (
        struct.pack(">i", round(_ANSWER_S * 1000))
        + _count(1)
        + (_count(len(name)) + name + _count(len(orders)) + partitions + _NO_TAGS)
        + _NO_TAGS
    )
    frame = struct.pack(">i", len(head + body)) + head + body
    return Request(Api.ALTER_PARTITION_REASSIGNMENTS, 0, _CORRELATION, frame)


def _reorder(kafka: str, topic: str, orders: Mapping[int, Sequence[int]]) -> None:
    """Ask the first node that answers; it hands the request to the controller."""
    for place in kafka.split(","):
        host, _, port = place.rpartition(":")
        try:
            with (
                socket.create_connection((host, int(port)), _ANSWER_S) as connection,
                connection.makefile("rb") as file,
            ):
                connection.sendall(request(topic, orders).frame)
                size = file.read(4)
                answer = size + file.read(int.from_bytes(size))
        except OSError:
            continue
        assert struct.unpack_from(">h", answer, _ERROR_AT)[0] == 0, f"Kafka refuses a new order of replicas: {answer!r}"
        return
    raise OSError("no node of Kafka answers")


def _many(items: Sequence[bytes]) -> bytes:
    return _count(len(items)) + b"".join(items)


def _count(number: int) -> bytes:
    """Return one more than a length as Kafka's unsigned variable-length integer."""
    number += 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
