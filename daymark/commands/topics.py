"""`daymark topics`: creates missing topics and reports differences (contract, sections 6 and 8).

Invariant: nothing that exists is changed. While the partitions of what exists differ from what is wanted nothing is
created either, since topics with unequal partitions would have to be deleted again.
"""

import json
from collections.abc import Sequence
from typing import Any

import click
import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked so
    AdminClient,
    ClusterMetadata,
)
from confluent_kafka.cimpl import NewTopic
from rich.table import Table

from daymark import metadata, settings, statuses
from daymark.kafka import command_config
from daymark.output import standard_output
from daymark.topic_states import MOST_REPLICAS, Found, Wanted, differences, read, want

_REQUEST_S = 30.0


class State(msgspec.Struct, frozen=True):
    """The outcome for a topic: "ok", "created", "missing" or "differs"; in the last two cases with the reason."""

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
    admin = AdminClient(command_config(found) | {"error_cb": heard})
    cluster = metadata.ask(admin, found.kafka, wait, heard)
    copies = replication or min(MOST_REPLICAS, len(cluster.brokers))
    wanted = [
        want(topic, partitions or topic.partitions, copies) for topic in found.topics.all(lane=found.backfill_lane)
    ]
    try:
        states = settle(admin, cluster, wanted)
    except KafkaException as error:
        raise click.ClickException(f"Kafka at {found.kafka}: {error.args[0].str()}") from None
    _show(states, as_line=as_line)
    if any(state.why for state in states):
        raise statuses.SomethingWrong("some topics are missing or differ; see above")


def settle(admin: AdminClient, cluster: ClusterMetadata, wanted: Sequence[Wanted]) -> list[State]:
    """Create missing topics and return the outcome for each topic.

    Raises:
        KafkaException: the cluster refuses a request.
    """
    found = read(admin, cluster, [topic.name for topic in wanted])
    missing = [topic for topic in wanted if topic.name not in found]
    uneven = any(found[topic.name].partitions != topic.partitions for topic in wanted if topic.name in found)
    if missing and not uneven:
        taken = _create(admin, missing)
        shown = metadata.showing((topic.name for topic in missing), lambda: _look(admin), _REQUEST_S)
        found |= read(admin, shown, taken)
    return [_state(topic, found.get(topic.name), uneven=uneven) for topic in wanted]


def _state(topic: Wanted, found: Found | None, *, uneven: bool) -> State:
    if found is not None:
        why = tuple(differences(topic, found))
        return State(topic.name, "differs" if why else "ok", found.partitions, found.replication, why)
    if uneven:
        return State(topic.name, "missing", 0, 0, ("not created: correct the partition counts of the others first",))
    return State(topic.name, "created", topic.partitions, topic.replication)


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


def _show(states: Sequence[State], *, as_line: bool) -> None:
    if as_line:
        rows: Any = msgspec.to_builtins(states)
        click.echo(json.dumps(rows))
        return
    table = Table("Topic", "Partitions", "Copies", "State", box=None, pad_edge=False)
    for state in states:
        told = "\n".join((state.state, *state.why))
        table.add_row(state.topic, str(state.partitions or "-"), str(state.replication or "-"), told)
    standard_output().print(table)
