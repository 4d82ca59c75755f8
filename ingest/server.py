"""One process of ingest: sockets, event loop, start, drain, stop.

Owns the order of starting and leaving; what is answered is `app`'s. Order of leaving, on SIGTERM or SIGINT:

1. /readyz says 503, no connection is let in, idle ones are closed.
2. Requests that were begun are answered, each with `Connection: close`.
3. The producer's queue is emptied. The process exits with 0.
"""

import asyncio
import gc
import resource
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvloop

from ingest.admin import Admin
from ingest.app import App, Rules
from ingest.connections import Connections
from ingest.delivery import Delivery, Readiness
from ingest.metrics import Metrics
from ingest.publisher import BadOptions, Publisher
from schemas import zones
from schemas.topics import Topics
from schemas.workspace import Workspaces

__all__ = ["BadOptions", "CannotListen", "Config", "Failed", "Rules", "listen", "run", "serve"]

log = structlog.get_logger()

DRAIN_SECONDS, FLUSH_SECONDS = 10.0, 5.0
_BACKLOG = 4096
_SPARE_FILES = 256  # for Kafka, logs and the admin port
TICK_SECONDS = 0.25  # what is late is found so much later
_LOOK_SECONDS, _REPORT_SECONDS = 1.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a process of ingest is told.

    `kafka` is librdkafka's options of the connection; `workspaces_refused` says whether their file cannot be read.
    """

    kafka: Mapping[str, Any] = field(repr=False)
    topics: Topics
    workspaces: Callable[[], Workspaces]
    workspaces_refused: Callable[[], bool] = lambda: False
    rules: Rules


class CannotListen(Exception):
    """A port is taken, or an address is none of this machine's."""


class Failed(Exception):
    """The producer is beyond repair: the process has to be started again."""


def listen(address: tuple[str, int]) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        CannotListen: it cannot be had; the text says why.
    """
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, place = found[0]
        return socket.create_server(place[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        host, port = address
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def raise_file_limit() -> int:
    """Let this process open as many files as it may, and return how many connections that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return max(soft - _SPARE_FILES, soft // 2) if soft != resource.RLIM_INFINITY else 1_000_000


def run(http: socket.socket, health: socket.socket, config: Config) -> None:
    """Run a process's one event loop; see `serve`.

    Args:
        http: listens for the API. Workers share it.
        health: listens for health and metrics.
        config: the rest.

    Raises:
        BadOptions: librdkafka does not know its options.
        Failed: the producer is beyond repair.
    """
    uvloop.run(serve(http, health, config, lambda metrics: Publisher(config.kafka, config.topics, metrics)))


async def serve(
    http: socket.socket,
    health: socket.socket,
    config: Config,
    deliver: Callable[[Metrics], Delivery],
) -> None:
    """Serve until SIGTERM or SIGINT, then leave in order. `deliver` makes the delivery, within this loop."""
    loop, stop, metrics = asyncio.get_running_loop(), asyncio.Event(), Metrics()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    delivery = deliver(metrics)
    readiness = lambda: Readiness(ready=False, reason="leaving") if stop.is_set() else delivery.readiness  # noqa: E731
    most = raise_file_limit()
    api = Connections(App(delivery, config.workspaces, config.rules, metrics), most)
    admin = Connections(Admin(readiness, metrics), most)
    metrics.connections.set_function(lambda: len(api))
    metrics.workspaces_refused.set_function(config.workspaces_refused)
    servers = [
        await loop.create_server(connections.connect, sock=listening, backlog=_BACKLOG)
        for listening, connections in ((http, api), (health, admin))
    ]
    ticking = loop.create_task(_tick((api, admin)))
    gc.freeze()  # what was made so far stays: no need to look through it again and again
    gc.set_threshold(20_000, 20, 100)  # requests leave no circles; what connections leave can wait
    log.info("ingest.started", http=_place(http), admin=_place(health), time_zones=zones.version())
    await _run(delivery, stop, metrics)
    log.info("ingest.stopping", connections=len(api))
    await _drain(servers[0], api, DRAIN_SECONDS)
    await delivery.close(FLUSH_SECONDS)
    await _drain(servers[1], admin, 0)
    ticking.cancel()
    log.info("ingest.stopped")
    if delivery.failure is not None:
        raise Failed(delivery.failure)


async def _tick(ports: Sequence[Connections]) -> None:
    while True:
        for connections in ports:
            connections.tick()
        await asyncio.sleep(TICK_SECONDS)


async def _run(delivery: Delivery, stop: asyncio.Event, metrics: Metrics) -> None:
    """Until it is time to leave, tell the log now and then how much was refused."""
    loop = asyncio.get_running_loop()
    report_at = loop.time()
    while not stop.is_set():
        if loop.time() >= report_at:
            report_at += _REPORT_SECONDS
            if refused := metrics.refused():
                log.info("requests.refused", **refused)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _LOOK_SECONDS)
        if delivery.failure is not None:
            stop.set()


async def _drain(server: asyncio.Server, connections: Connections, seconds: float) -> None:
    """Let no connection in, and the others go; whatever is left after the time given is cut off."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    server.close()
    connections.shutdown()
    while connections and loop.time() < deadline:  # noqa: ASYNC110  seldom, and not for long
        await asyncio.sleep(0.02)
    connections.abort()


def _place(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
