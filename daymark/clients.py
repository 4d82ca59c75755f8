"""The Kafka clients with which commands read topics and groups, and the error message when Kafka fails."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import click
from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient

from daymark import metadata
from daymark.auditing import reading
from daymark.auditing.scope import Clients
from daymark.kafka import command_config
from daymark.settings import Settings


class Opened(NamedTuple):
    """Clients of one cluster, and the partitions of each of our topics, of segment.backfill only if it is there."""

    clients: Clients
    partitions: Mapping[str, Sequence[int]]


@contextmanager
def opened(found: Settings, group: str, topics: Collection[str] = (), *, with_lane: bool = False) -> Iterator[Opened]:
    """Open clients that read without a group, and query a group's offsets without joining it.

    Args:
        found: the settings.
        group: whose offsets are asked for.
        topics: that must be there; all of ours, unless some are named.
        with_lane: whether segment.backfill is one of them if it is there; without names it is.

    Raises:
        ClickException: Kafka does not answer, refuses us, or a topic is not there.
    """
    ours, heard = command_config(found), metadata.Heard()
    clients = Clients(
        Consumer({**reading.over(ours), "group.id": group, "error_cb": heard}),
        Consumer({**reading.over(ours, reading.UNCOMMITTED), "group.id": group}),
        AdminClient(ours),
    )
    try:
        names = [*topics] or [topic.name for topic in found.topics.all()]
        known = metadata.showing(names, lambda: metadata.ask(clients.committed, found.kafka, heard=heard)).topics
        missing = [name for name in names if name not in known]
        if missing:
            raise metadata.NoTopic(missing)
        if (with_lane or not topics) and found.topics.backfill in known:
            names.append(found.topics.backfill)
        yield Opened(clients, {name: sorted(known[name].partitions) for name in names})
    except KafkaException as error:
        raise click.ClickException(f"Kafka at {found.kafka}: {error.args[0].str()}") from None
    finally:
        clients.committed.close()
        clients.uncommitted.close()
