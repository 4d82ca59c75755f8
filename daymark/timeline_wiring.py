"""`daymark timeline`, made of the settings: one process reads the topics, another serves the pages."""

import signal
import socket
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any, Final

import click
import structlog

from daymark import prefork, registry, settings
from daymark.figures.scrape import addresses
from daymark.kafka import client_config
from daymark.setting_types import Address
from daymark.settings import Settings
from daymark.showing.filling import filled
from ingest.http.listener import CannotListen, bind
from schemas.avro import Schema
from timeline import store
from timeline.reading import Kinds, Reader
from timeline.records import Records
from timeline.source import KafkaDown, Source
from timeline.store import StoreDown, WrongURL
from timeline.store.writing import Replaced, Writer
from timeline.web.app import make
from timeline.web.safety import Guard, Unsafe
from timeline.web.server import serve

log = structlog.get_logger()

_BACKLOG: Final = 128  # connections that wait to be accepted

ById = Callable[[int], Schema]


def run(found: Settings, endpoints: Sequence[str], *, with_pages: bool) -> int:
    """Read, and serve the pages, until SIGTERM or SIGINT; return the exit code.

    Args:
        found: the settings.
        endpoints: the metrics of all parts; none: those of a running `daymark up`, as it is at each look.
        with_pages: whether pages are served, too.

    Raises:
        UsageError: the store's address cannot be used, or the pages would be open to others.
        ClickException: the database does not answer, or the port is taken.
    """
    try:
        store.opened(found.timeline).close()  # also makes the tables, before two processes want them
        guard = Guard(
            found.timeline_http.host, found.timeline_token, found.timeline_proxy_header, found.timeline_proxies
        )
    except WrongURL as error:
        raise click.UsageError(f"DAYMARK_TIMELINE: {error}") from None
    except Unsafe as error:
        raise click.UsageError(str(error)) from None
    except StoreDown as error:
        raise click.ClickException(f"the store: {error}") from None
    if not with_pages:
        return _reading(found)
    listening = _bound(found.timeline_http)
    click.echo(f"The timeline is at {Address(found.timeline_http.host, listening.getsockname()[1]).url}")
    return prefork.supervise(
        2,
        lambda number: _serving(found, endpoints, guard, listening) if number else _reading(found),
        listening.close,
    )


def _reading(found: Settings) -> int:
    stop = Event()

    def leave(*_: Any) -> None:
        stop.set()

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, leave)
    try:
        read(found, stop)
    except (StoreDown, Replaced) as error:
        log.error("store.failed", said=str(error))
        return 1
    return 0


def _serving(found: Settings, endpoints: Sequence[str], guard: Guard, listening: socket.socket) -> int:
    def urls() -> Sequence[str]:
        return addresses(endpoints) or [url for up in settings.running_ups() for url in (up.at.admin, *up.workers)]

    with store.opened(found.timeline) as there, filled(found, urls) as sources:
        serve(make(there, sources, guard), listening)
    return 0


def _bound(address: Address) -> socket.socket:
    try:
        bound = bind(address)
        bound.listen(_BACKLOG)
    except (CannotListen, OSError) as error:
        raise click.ClickException(f"{error}; set DAYMARK_TIMELINE_HTTP to another address") from None
    return bound


def read(found: Settings, stop: Event) -> None:
    """Keep the store up to date until told to stop.

    Raises:
        WrongURL: the store's address cannot be used.
        StoreDown: the database does not answer, or its tables are newer than this program.
        Replaced: another process has made the tables anew meanwhile.
    """
    with store.opened(found.timeline) as opened:
        writer = Writer(opened.url)
    topics = found.topics
    kinds = Kinds(interactions=topics.interactions, properties=topics.traits, rejections=topics.rejected)
    by_id = _patient(registry.lookup(found.schema_registry)) if found.schema_registry else None
    source = Source(client_config(found), kinds)
    try:
        reader = Reader(source, writer, Records(topics, writer.keys, by_id), kinds, clock=_now_ms, stop=stop)
        reader.run()
    finally:
        source.close()
        writer.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _patient(by_id: ById) -> ById:
    """Let a registry that does not answer be asked again, rather than end the reader."""

    def find(schema_id: int) -> Schema:
        try:
            return by_id(schema_id)
        except click.ClickException as error:
            raise KafkaDown(error.message) from None

    return find
