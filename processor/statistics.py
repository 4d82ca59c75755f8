"""Parses the statistics that librdkafka emits once a second (its STATISTICS.md): the parts that a worker uses. Pure."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

_UNASSIGNED: Final = "-1"
_STANDBY_MS: Final = 3000  # by then who gets partitions has them
_JOINING: Final = frozenset({"wait-join", "wait-sync"})  # for the coordinator's answer to JoinGroup or SyncGroup


class _Partition(msgspec.Struct):
    broker: int = -1
    fetch_state: str = ""
    next_offset: int = -1
    app_offset: int = -1
    ls_offset: int = -1
    fetchq_cnt: int = 0


class _Topic(msgspec.Struct):
    partitions: dict[str, _Partition] = {}


class _Broker(msgspec.Struct):
    nodeid: int = -1
    rxidle: int = -1  # microseconds since something was received


class _Group(msgspec.Struct):
    state: str = ""
    join_state: str = ""
    stateage: int = 0  # milliseconds


class _Statistics(msgspec.Struct):
    time: int = 0
    brokers: dict[str, _Broker] = {}
    topics: dict[str, _Topic] = {}
    cgrp: _Group = msgspec.field(default_factory=_Group)


class Position(NamedTuple):
    """How far a partition is fetched.

    `end` is the offset after its last record that readers of committed records see. `drained_at`: the instant (epoch
    seconds) at which the broker had no more, and all of it was handed out; None while it has, or does not answer.
    """

    partition: int
    end: int
    drained_at: float | None


class Pulse(NamedTuple):
    """One look at a consumer: how far it is, and whether it has its place in the group, if with no partition at all.

    `is_joining`: it waits for the coordinator to answer its request for a place.
    """

    positions: list[Position]
    is_settled: bool
    is_joining: bool


_decode = msgspec.json.Decoder(_Statistics).decode


def read(text: str, topic: str) -> Pulse:
    """Return what statistics say of a topic's partitions.

    Raises:
        msgspec.ValidationError: librdkafka writes something else now.
    """
    found = _decode(text)
    heard = {broker.nodeid: found.time - broker.rxidle / 1e6 for broker in found.brokers.values() if broker.rxidle >= 0}
    group = found.cgrp
    # By the consumer protocol (KIP-848) a member without partitions stays in "init", in which every member begins.
    has_place = group.join_state == "steady" or (group.join_state == "init" and group.stateage >= _STANDBY_MS)
    is_settled = group.state == "up" and has_place
    return Pulse(list(_positions(found.topics.get(topic, _Topic()), heard)), is_settled, group.join_state in _JOINING)


def _positions(topic: _Topic, heard: dict[int, float]) -> Iterator[Position]:
    for name, of in topic.partitions.items():
        if name == _UNASSIGNED or of.fetch_state != "active" or of.ls_offset < 0:
            continue
        at_end = of.next_offset >= of.ls_offset and (of.app_offset >= of.next_offset or not of.fetchq_cnt)
        yield Position(int(name), of.ls_offset, heard.get(of.broker) if at_end else None)
