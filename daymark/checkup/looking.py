"""Looks at everything that a worker depends on, as its settings say."""

from collections.abc import Iterator
from dataclasses import replace

import click
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from daymark import metadata, registry, versions
from daymark.auditing import reading
from daymark.checkup import kafka, store
from daymark.checkup.findings import Finding, fault, ok, warning
from daymark.kafka import command_config
from daymark.settings import Settings
from daymark.workspaces_file import WorkspacesFile
from schemas import avro


def look(found: Settings) -> list[Finding]:
    """Return all findings. Changes nothing; blocks for some seconds if a part is unavailable."""
    return [*_versions(), *_workspaces(found), *_registry(found), *_kafka(found), *store.look(found)]


def _versions() -> Iterator[Finding]:
    yield ok("versions", ", ".join(f"{name} {version}" for name, version in versions.labels().items()))


def _workspaces(found: Settings) -> Iterator[Finding]:
    if found.workspaces is None:
        yield warning(
            "workspaces",
            "no workspaces file: ingest accepts no API key",
            "set DAYMARK_WORKSPACES; `daymark keys new NAME`",
        )
        return
    known = WorkspacesFile(found.workspaces).current()  # a fault in it is a fault of the settings
    keys = len(known.by_digest)
    said = f"{len(known.by_name)} in {found.workspaces}, {keys} keys"
    yield ok("workspaces", said) if keys else warning("workspaces", said, "`daymark keys new NAME` creates one")


def _registry(found: Settings) -> Iterator[Finding]:
    if found.schema_registry is None:
        return
    reader, topics = replace(found.schema_registry, may_register=False), found.topics
    for topic, codec in (
        (topics.interactions, avro.INTERACTION),
        (topics.traits, avro.TRAIT),
        (topics.rejected, avro.REJECTED),
    ):
        try:
            registry.registered(reader, topic, codec)
        except click.ClickException as error:
            if found.schema_registry.may_register:
                yield warning("registry", error.message.partition(":")[0], "a worker registers it at start-up")
            else:
                yield fault("registry", error.message, "register it, see docs/readers.md")
        else:
            yield ok("registry", f"has the schema of {topic}")


def _kafka(found: Settings) -> Iterator[Finding]:
    ours, heard = command_config(found), metadata.Heard()
    admin = AdminClient(ours | {"error_cb": heard})
    try:
        cluster = metadata.ask(admin, found.kafka, heard=heard)
    except metadata.Unreachable as error:
        yield fault("kafka", error.message, "start it, or correct DAYMARK_KAFKA; ingest answers 503 meanwhile")
        return
    committed = Consumer({**reading.over(ours), "group.id": found.group})
    uncommitted = Consumer({**reading.over(ours, reading.UNCOMMITTED), "group.id": found.group})
    try:
        yield from kafka.look(kafka.Ground(found, admin, committed, uncommitted, cluster))
    finally:
        committed.close()
        uncommitted.close()
