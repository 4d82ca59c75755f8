"""`daymark ingest`: one part, as a container runs it. Wires settings to ingest, and decides nothing."""

import signal
import socket
import sys
from collections.abc import Callable

import click

from daymark import logs, registry
from daymark.settings import Settings, SettingsFaults, from_environment
from daymark.values import Address
from schemas import avro
from schemas.avro import Codec

_ADMIN = Address("127.0.0.1", 8081)


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes that share the port. The first shows health and metrics on the admin port, the second on the next.",
)
def command(workers: int) -> None:
    """Run the HTTP API: events in, Kafka out.

    Listens on DAYMARK_HTTP, shows health and metrics on DAYMARK_ADMIN (default 127.0.0.1:8081), and leaves in order on
    SIGTERM.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the server is there to leave in order
    settings = from_environment()
    logs.configure(settings.log_format, settings.log_level)
    run = _prepared(settings, workers)
    if workers == 1:
        sys.exit(run(0))
    from daymark.workers import supervise  # noqa: PLC0415

    sys.exit(supervise(workers, run))


def _prepared(settings: Settings, workers: int) -> Callable[[int], int]:
    """Open the ports, and return the life of one worker: it returns its exit code."""
    from daymark.kafka import client_config  # noqa: PLC0415  drivers are loaded by those who run them
    from daymark.workspaces_file import WorkspacesFile  # noqa: PLC0415
    from ingest import server  # noqa: PLC0415

    if settings.workspaces is None:
        raise SettingsFaults(["DAYMARK_WORKSPACES: not set; `daymark keys new` makes the file and a first key"])
    host, port = settings.admin or _ADMIN
    file = WorkspacesFile(settings.workspaces)
    config = server.Config(
        kafka=client_config(settings),
        topics=settings.topics,
        workspaces=file.current,
        workspaces_refused=file.is_refused,
        rules=server.Rules(
            settings.request_limit_bytes,
            workers * settings.ingest_instances,
            settings.allowed_origins,
            settings.allowed_headers,
            rejected=_codec(settings),
        ),
    )
    http = _listening(settings.http, "DAYMARK_HTTP")
    admins = [_listening(Address(host, port and port + number), "DAYMARK_ADMIN") for number in range(workers)]

    def run(number: int) -> int:
        try:
            server.run(http, admins[number], config)
        except (server.BadOptions, server.Failed) as error:
            click.echo(f"daymark: {error}", err=True)
            return 2 if isinstance(error, server.BadOptions) else 1
        return 0

    return run


def _listening(address: Address, setting: str) -> socket.socket:
    from ingest import server  # noqa: PLC0415

    try:
        return server.listen(address)
    except server.CannotListen as error:
        raise click.ClickException(f"{error}; set {setting} to another host:port") from None


def _codec(settings: Settings) -> Codec:
    if settings.schema_registry is None:
        return avro.REJECTED
    return registry.registered(settings.schema_registry, settings.topics.rejected, avro.REJECTED)
