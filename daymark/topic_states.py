"""The topics' actual and expected state, and their differences. Changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked so
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    ResourceType,
)

from schemas.topics import MESSAGE_LIMIT, Topic, low_limit

MOST_REPLICAS: Final = 3  # by default: one may be away for maintenance, and one fail

_REQUEST_S = 30.0

# From so many replicas on two must have a record before it counts: one broker's disk is not enough.
_SAFE_REPLICAS, _IN_SYNC = 3, "2"


class Wanted(msgspec.Struct, frozen=True):
    """A topic as it should be."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]


class Found(msgspec.Struct, frozen=True):
    """A topic as it is."""

    partitions: int
    replication: int
    settings: Mapping[str, str | None]


def want(topic: Topic, partitions: int, replication: int) -> Wanted:
    """Return how a topic should be with so many partitions and copies."""
    safe = {"min.insync.replicas": _IN_SYNC} if replication >= _SAFE_REPLICAS else {}
    return Wanted(topic.name, partitions, replication, {**topic.settings, **safe})


def differences(wanted: Wanted, found: Found) -> Iterator[str]:
    """Yield what differs in a topic, a line each. More copies than wanted are no difference."""
    if found.partitions != wanted.partitions:
        yield f"{found.partitions} partitions, expected {wanted.partitions} (or pass --partitions {found.partitions})"
    if found.replication < wanted.replication:
        yield f"replication factor {found.replication}, expected {wanted.replication}"
    for name, value in wanted.settings.items():
        if _set(found.settings.get(name)) != _set(value):
            yield f"{name} is {found.settings.get(name)}, expected {value}"
    limit = found.settings.get(MESSAGE_LIMIT)
    if limit is not None and (why := low_limit(wanted.name, int(limit))):
        yield why


def read(admin: AdminClient, cluster: ClusterMetadata, names: Sequence[str]) -> dict[str, Found]:
    """Return those of some topics that are there.

    Raises:
        KafkaException: the cluster does not say.
    """
    existing = [name for name in names if name in cluster.topics]
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in existing]
    configs = admin.describe_configs(resources, request_timeout=_REQUEST_S) if resources else {}
    found = {}
    for resource, future in configs.items():
        values = {name: entry.value for name, entry in future.result().items()}
        partitions = cluster.topics[resource.name].partitions
        replication = min((len(partition.replicas) for partition in partitions.values()), default=0)
        found[resource.name] = Found(len(partitions), replication, values)
    return found


def _set(value: str | None) -> set[str]:
    """Return a list of Kafka's as a set: compact,delete is delete,compact."""
    return {word.strip() for word in (value or "").split(",")}
