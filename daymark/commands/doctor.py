"""`daymark doctor`: checks everything that a worker depends on, and says what to do (contract, section 8)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import click
import msgspec
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from daymark import metadata, registry, settings, versions
from daymark.auditing import reading
from daymark.checkup import kafka, store
from daymark.checkup.findings import Finding, State, fault, lines, ok, warning
from daymark.checkup.sources import Source, sources
from daymark.kafka import command_config
from daymark.settings import Settings
from daymark.statuses import SomethingWrong
from daymark.workspaces_file import WorkspacesFile
from schemas import avro


@click.command()
@click.option("--json", "as_line", is_flag=True, help="One line of JSON.")
def command(*, as_line: bool) -> None:
    """Check settings, Kafka, the group and the store; say what to do.

    Each finding is ok, a warning (works, but should be changed) or a fault (does not work, or breaks the guarantee).
    The exit status is 3 when there is a fault. Changes nothing and shows no secrets. Run it with a worker's settings
    and as its user.
    """
    found = settings.from_environment()
    told = [*sources(found, settings.origins())]
    findings = [*_versions(), *_workspaces(found), *_registry(found), *_kafka(found), *store.look(found)]
    if as_line:
        said: Any = {
            "settings": [source._asdict() for source in told],
            "findings": msgspec.to_builtins(findings),
        }
        click.echo(json.dumps(said))
    else:
        _show(told, findings)
    if faults := sum(finding.state is State.FAULT for finding in findings):
        raise SomethingWrong(f"{faults} faults; see above")


def _show(told: list[Source], findings: list[Finding]) -> None:
    for source in told:
        if source.origin != "default":
            click.echo(f"{'':<8} {source.variable} = {source.value}  ({source.origin})")
    for line in lines(findings):
        click.echo(line)
    counts = ", ".join(f"{sum(finding.state is state for finding in findings)} {state}" for state in State)
    click.echo(counts)


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
    committed = Consumer({**ours, **reading.CONFIG, "group.id": found.group})
    uncommitted = Consumer({**ours, **reading.UNCOMMITTED, "group.id": found.group})
    try:
        yield from kafka.look(kafka.Ground(found, admin, committed, uncommitted, cluster))
    finally:
        committed.close()
        uncommitted.close()
