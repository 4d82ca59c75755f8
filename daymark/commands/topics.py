"""`daymark topics`: creates missing topics and reports differences (contract, sections 6 and 8).

Invariant: nothing that exists is changed. While the partitions of what exists differ from what is wanted nothing is
created either, since topics with unequal partitions would have to be deleted again.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked so
    AdminClient,
    ClusterMetadata,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.table import Table

from daymark import metadata, settings, statuses
from daymark.kafka import client_config
from schemas.topics import MESSAGE_LIMIT, Topic, low_limit

_REQUEST_S = 30.0
_MOST_REPLICAS = 3  # by default: one may be away for maintenance, and one fail

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


class State(msgspec.Struct, frozen=True):
    """What came of a topic: "ok", "created", "missing" or "differs"; in the last two cases why."""

    topic: str
    state: str
    partitions: int
    replication: int
    why: Sequence[str] = ()


@click.command()
@click.option("--partitions", type=click.IntRange(1, 10_000), help="Partitions per topic.  [default: 12]")
@click.option(
    "--replication",
    type=click.IntRange(1, 100),
    help="Replication factor.  [default: 3, or the number of brokers if lower]",
)
@click.option("--wait", type=click.FloatRange(0), default=0.0, help="Seconds to wait for a broker that is starting.")
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def command(partitions: int | None, replication: int | None, wait: float, *, as_line: bool) -> None:
    """Create missing topics and report differences.

    Nothing that exists is changed. The exit status is 3 when something differs.
    """
    found = settings.from_environment()
    heard = metadata.Heard()
    admin = AdminClient(client_config(found) | metadata.QUIET | {"error_cb": heard})
    cluster = metadata.ask(admin, found.kafka, wait, heard)
    copies = replication or min(_MOST_REPLICAS, len(cluster.brokers))
    wanted = [want(topic, partitions or topic.partitions, copies) for topic in found.topics.all()]
    try:
        states = settle(admin, cluster, wanted)
    except KafkaException as error:
        raise click.ClickException(f"Kafka at {found.kafka}: {error.args[0].str()}") from None
    _show(states, as_line=as_line)
    if any(state.why for state in states):
        raise statuses.SomethingWrong("some topics are missing or differ; see above")


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


def settle(admin: AdminClient, cluster: ClusterMetadata, wanted: Sequence[Wanted]) -> list[State]:
    """Create what is missing and return what came of each topic.

    Raises:
        KafkaException: the cluster refuses a request.
    """
    found = _found(admin, cluster, [topic.name for topic in wanted])
    missing = [topic for topic in wanted if topic.name not in found]
    uneven = any(found[topic.name].partitions != topic.partitions for topic in wanted if topic.name in found)
    if missing and not uneven:
        taken = _create(admin, missing)
        shown = metadata.showing((topic.name for topic in missing), lambda: _look(admin), _REQUEST_S)
        found |= _found(admin, shown, taken)
    return [_state(topic, found.get(topic.name), uneven=uneven) for topic in wanted]


def _state(topic: Wanted, found: Found | None, *, uneven: bool) -> State:
    if found is not None:
        why = tuple(differences(topic, found))
        return State(topic.name, "differs" if why else "ok", found.partitions, found.replication, why)
    if uneven:
        return State(topic.name, "missing", 0, 0, ("not created: correct the partition counts of the others first",))
    return State(topic.name, "created", topic.partitions, topic.replication)


def _found(admin: AdminClient, cluster: ClusterMetadata, names: Sequence[str]) -> dict[str, Found]:
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


def _create(admin: AdminClient, missing: Sequence[Wanted]) -> list[str]:
    """Create topics; return those that somebody else had made meanwhile."""
    new = [NewTopic(topic.name, topic.partitions, topic.replication, config=dict(topic.settings)) for topic in missing]
    taken = []
    for name, future in admin.create_topics(new, operation_timeout=_REQUEST_S, request_timeout=_REQUEST_S).items():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            taken.append(name)
    return taken


def _look(admin: AdminClient) -> ClusterMetadata:
    cluster: ClusterMetadata = admin.list_topics(timeout=_REQUEST_S)
    return cluster


def _set(value: str | None) -> set[str]:
    """Return a list of Kafka's as a set: compact,delete is delete,compact."""
    return {word.strip() for word in (value or "").split(",")}


def _show(states: Sequence[State], *, as_line: bool) -> None:
    if as_line:
        rows: Any = msgspec.to_builtins(states)
        click.echo(json.dumps(rows))
        return
    table = Table("Topic", "Partitions", "Copies", "State", box=None, pad_edge=False)
    for state in states:
        told = "\n".join((state.state, *state.why))
        table.add_row(state.topic, str(state.partitions or "-"), str(state.replication or "-"), told)
    Console(file=sys.stdout).print(table)
