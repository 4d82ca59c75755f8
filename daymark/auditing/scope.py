"""What an audit reads: determined once, before it begins, in the order that makes it exact.

First the group's committed offsets, then the ends of the output topics: records of a transaction lie before an end that
is queried after its offsets were seen. So all results of every event up to those offsets are read.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked so
    AdminClient,
    ConfigResource,
    ResourceType,
)

from daymark.auditing import reading
from daymark.auditing.raws import Raws
from daymark.auditing.reach import Reach, stretch
from daymark.auditing.reading import Bounds
from schemas.topics import Topics

_ANSWER_S = 30.0


class Clients(NamedTuple):
    """Three Kafka clients: for the group's offsets and committed records, for all records, and for administration."""

    committed: Consumer
    uncommitted: Consumer
    admin: AdminClient


class NothingCommitted(Exception):
    """There are events, but the group has not committed an offset: a new group, or a mistyped one."""


class Period(NamedTuple):
    """A time range over the record timestamps of raw events, in epoch milliseconds; None: no bound.

    `emitted_ms` is from when on results count: older ones are of an earlier epoch of rules or claims.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    emitted_ms: int | None = None


class Scope(NamedTuple):
    """The events that are judged, the records of each output topic, and from which offset of a partition they count.

    `committed` are the group's offsets.
    What comes before is read for marks alone: those of `daymark forget` are true whatever the rules are.
    """

    reach: Reach
    outputs: Mapping[str, Bounds]
    counted: Mapping[str, Mapping[int, int]]
    committed: Mapping[int, int]

    def counting(self, topic: str, batch: list[Message]) -> list[Message]:
        """Return the records of a batch that count, and marks."""
        since = self.counted.get(topic)
        if not since:
            return batch
        return [each for each in batch if each.value() is None or (each.offset() or 0) >= since[each.partition() or 0]]

    @property
    def records(self) -> int:
        """The approximate number of records that will be read."""
        return self.reach.records + sum(end - first for topic in self.outputs.values() for first, end in topic.values())


def scope(clients: Clients, topics: Topics, partitions: Mapping[str, Sequence[int]], period: Period) -> Scope:
    """Return what can be read now.

    Args:
        clients: of one cluster; the first belongs to the group.
        topics: their names.
        partitions: of each topic.
        period: which events.

    Raises:
        KafkaException: Kafka does not answer.
        NothingCommitted: there is nothing to judge.
    """
    raws = Raws(topics, partitions)
    upto = raws.committed(clients.committed)
    outputs = {
        topic: reading.bounds(clients.uncommitted, topic, partitions[topic])
        for topic in (topics.interactions, topics.traits, topics.rejected)
    }
    # Queried last: no source can be at or after the end.
    there = raws.bounds(clients.uncommitted)
    if all(offset is None for offset in upto.values()) and any(end for _, end in there.values()):
        raise NothingCommitted
    at = partial(raws.offsets_at, clients.uncommitted)
    since = _offsets(there, at, _earliest(clients.admin, topics, period.since_ms))
    until = _offsets(there, at, period.until_ms)
    stretches = {number: stretch(there[number], upto[number], since.get(number), until.get(number)) for number in there}
    emitted = {
        topic: _offsets(bounds, partial(reading.offsets_at, clients.uncommitted, topic, bounds), period.emitted_ms)
        for topic, bounds in outputs.items()
    }
    stands = {number: there[number][0] if offset is None else offset for number, offset in upto.items()}
    return Scope(Reach(stretches), outputs, emitted, stands)


def still_there(clients: Clients, raws: Raws, reach: Reach) -> Reach:
    """Return a reach without the events that were deleted while it was read."""
    there = raws.bounds(clients.uncommitted)
    return Reach({number: stretch.since(there[number][0]) for number, stretch in reach.stretches.items()})


def _offsets(there: Bounds, ask: Callable[[int], Mapping[int, int | None]], instant_ms: int | None) -> dict[int, int]:
    """Return the offsets of an instant, the ends where all records are older; none without an instant."""
    found = {} if instant_ms is None else ask(instant_ms)
    return {number: there[number][1] if offset is None else offset for number, offset in found.items()}


def _earliest(admin: AdminClient, topics: Topics, since_ms: int | None) -> int | None:
    """Return the instant from which events can be judged: results of older events may have been deleted."""
    instants = [
        time.time_ns() // 1_000_000 - kept_ms for kept_ms in _kept(admin, (topics.interactions, topics.rejected))
    ]
    return max([*instants, *([] if since_ms is None else [since_ms])], default=None)


def _kept(admin: AdminClient, names: Sequence[str]) -> Iterator[int]:
    """Yield the retention in milliseconds of topics that delete records and whose configuration is readable."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    for future in admin.describe_configs(resources, request_timeout=_ANSWER_S).values():
        try:
            found = future.result()
        except KafkaException:  # not permitted
            continue
        kept_ms = int(found["retention.ms"].value)
        if "delete" in found["cleanup.policy"].value and kept_ms >= 0:
            yield kept_ms
