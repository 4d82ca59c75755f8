"""When Kafka removes what tombstones do not: raw records by retention, older values by compaction."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked so
    AdminClient,
    ConfigResource,
    ResourceType,
)

from daymark import instant
from schemas.topics import Topics

_ANSWER_S: Final = 30.0
_DAY_MS: Final = 86_400_000
_NEVER_MS: Final = 2**62  # Kafka's defaults for "no limit" are near 2**63


class Ageing(msgspec.Struct, frozen=True):
    """A topic's settings; None: no limit, or, with `known` false, no permission to read them.

    Attributes:
        topic: its name.
        known: whether its settings could be read.
        deleted_after_ms: age at which a record is deleted; None: never.
        segment_ms: how much later that can be, since only whole segments are deleted.
        tombstones_ms: how long compaction keeps a tombstone; None: the topic is not compacted.
        compacted_within_ms: age at which compaction must have started; None: no limit.
    """

    topic: str
    known: bool = False
    deleted_after_ms: int | None = None
    segment_ms: int = 0
    tombstones_ms: int | None = None
    compacted_within_ms: int | None = None


def ages(admin: AdminClient, topics: Topics) -> list[Ageing]:
    """Return the retention of the topics that have contacts' records."""
    names = [topics.events, topics.rejected, topics.interactions, topics.traits]
    asked = admin.describe_configs(
        [ConfigResource(ResourceType.TOPIC, name) for name in names], request_timeout=_ANSWER_S
    )
    return [_ageing(resource.name, future) for resource, future in asked.items()]


def lines(found: Sequence[Ageing], topics: Topics, now_ms: int) -> Iterator[str]:
    """Yield advice: until when raw records exist, and what compaction removes later."""
    for each in found:
        if not each.known:
            yield f"{each.topic}: its settings cannot be read (DescribeConfigs), so it is not known when records go."
        elif each.topic in {topics.events, topics.rejected}:
            yield f"{each.topic}: {_raw(each, now_ms)}"
        else:
            yield f"{each.topic}: {_compacted(each)}"


def _raw(each: Ageing, now_ms: int) -> str:
    if each.deleted_after_ms is None:
        return "raw records are never deleted (retention.ms): delete them yourself."
    until = instant.shown(now_ms + each.deleted_after_ms)[:10]
    return (
        f"what came in until now is deleted after {_time(each.deleted_after_ms)}, by {until}, "
        f"a segment at a time (up to {_time(each.segment_ms)} later)."
    )


def _compacted(each: Ageing) -> str:
    if each.tombstones_ms is None:
        return "it is not compacted: older values stay until retention deletes them."
    within = (
        "when the log cleaner comes to it (max.compaction.lag.ms sets a limit)"
        if each.compacted_within_ms is None
        else f"within about {_time(each.compacted_within_ms)} (max.compaction.lag.ms)"
    )
    return f"readers see the tombstone at once; compaction removes older values later, {within}."


def _ageing(topic: str, future: object) -> Ageing:
    try:
        found = {name: entry.value for name, entry in future.result().items()}  # type: ignore[attr-defined]
    except KafkaException:  # not permitted
        return Ageing(topic)
    deletes, compacts = (word in found["cleanup.policy"] for word in ("delete", "compact"))
    return Ageing(
        topic,
        known=True,
        deleted_after_ms=_limit(found, "retention.ms") if deletes else None,
        segment_ms=int(found["segment.ms"]),
        tombstones_ms=int(found["delete.retention.ms"]) if compacts else None,
        compacted_within_ms=_limit(found, "max.compaction.lag.ms") if compacts else None,
    )


def _limit(found: Mapping[str, str], name: str) -> int | None:
    value = int(found[name])
    return value if 0 <= value < _NEVER_MS else None


def _time(milliseconds: int) -> str:
    if milliseconds >= _DAY_MS:
        return f"{milliseconds / _DAY_MS:,.3g} days"
    return f"{milliseconds / 1000:,.3g} s"
