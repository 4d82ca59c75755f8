"""`daymark ingest`: runs the HTTP API. Wires settings to ingest, and decides nothing."""

import signal
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from daymark import logs, registry
from daymark.setting_types import Address
from daymark.settings import Settings, SettingsFaults, from_environment
from schemas import avro
from schemas.avro import Codec

if TYPE_CHECKING:
    from ingest import server

_ADMIN = Address("127.0.0.1", 8081)


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes sharing the port. The first serves metrics and health on the admin port, the second on the next.",
)
def command(workers: int) -> None:
    """Run the HTTP API: events in, Kafka out.

    Listens on DAYMARK_HTTP, serves health and metrics on DAYMARK_ADMIN (default 127.0.0.1:8081). On SIGTERM it reports
    not ready, keeps serving for DAYMARK_DRAIN_S seconds, finishes open requests and exits; SIGINT skips the drain.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the server is there to leave in order
    settings = from_environment()
    logs.configure(settings.log_format, settings.log_level)
    part = _prepared(settings, workers)
    if workers == 1:
        sys.exit(part.run(0))
    from daymark.prefork import supervise  # noqa: PLC0415

    sys.exit(supervise(workers, part.run, part.release))


class _Part(NamedTuple):
    """Ingest, its settings read and its ports bound."""

    config: "server.Config"
    http: socket.socket
    admins: Sequence[socket.socket]

    def run(self, number: int) -> int:
        """Be the worker of a number, and return its exit code."""
        from ingest import server  # noqa: PLC0415

        for other, admin in enumerate(self.admins):
            if other != number:
                admin.close()  # or its connections would be queued here when its own worker has left
        try:
            server.run(self.http, self.admins[number], self.config)
        except (server.BadOptions, server.CannotListen, server.Failed) as error:
            click.echo(f"daymark: {error}", err=True)
            return 2 if isinstance(error, server.BadOptions) else 1
        return 0

    def release(self) -> None:
        """Close the parent's copies: a port is refused as soon as the last worker has closed its own."""
        for bound in (self.http, *self.admins):
            bound.close()


def _prepared(settings: Settings, workers: int) -> _Part:
    from daymark import tracing, versions  # noqa: PLC0415  drivers are loaded by those who run them
    from daymark.kafka import client_config  # noqa: PLC0415
    from daymark.workspaces_file import WorkspacesFile  # noqa: PLC0415
    from ingest import server  # noqa: PLC0415

    if settings.workspaces is None:
        raise SettingsFaults(["DAYMARK_WORKSPACES: not set; `daymark keys new` creates the file and a first key"])
    tracing.check(settings.traces)
    host, port = settings.admin or _ADMIN
    file = WorkspacesFile(settings.workspaces, with_secrets=True)
    config = server.Config(
        kafka=client_config(settings),
        topics=settings.topics,
        workspaces=file.current,
        workspaces_refused=file.is_refused,
        rules=server.Rules(
            settings.request_limit_bytes,
            settings.request_limit_events,
            workers * settings.ingest_instances,
            settings.allowed_origins,
            settings.allowed_headers,
            rejected=_codec(settings),
        ),
        drain_s=settings.drain_s,
        limits=lambda: _limits(settings),
        build=versions.labels(),
        patience=server.Patience(settings.keep_alive_s, settings.minimum_rate_bytes_s),
        trace=lambda: tracing.begun(settings.traces, "daymark-ingest"),
    )
    http = _bound(settings.http, "DAYMARK_HTTP")
    admins = [_bound(Address(host, port and port + number), "DAYMARK_ADMIN") for number in range(workers)]
    return _Part(config, http, admins)


def _limits(settings: Settings) -> list[int]:
    """Return the limits of the topics that ingest writes, those that are known."""
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415  drivers are loaded by those who run them

    from daymark import limits  # noqa: PLC0415
    from daymark.kafka import client_config  # noqa: PLC0415

    topics = settings.topics
    return [*limits.read(AdminClient(client_config(settings)), (topics.events, topics.rejected)).values()]


def _bound(address: Address, setting: str) -> socket.socket:
    from ingest import server  # noqa: PLC0415

    try:
        return server.bind(address)
    except server.CannotListen as error:
        raise click.ClickException(f"{error}; set {setting} to another host:port") from None


def _codec(settings: Settings) -> Codec:
    if settings.schema_registry is None:
        return avro.REJECTED
    return registry.registered(settings.schema_registry, settings.topics.rejected, avro.REJECTED)
