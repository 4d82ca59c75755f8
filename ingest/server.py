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
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final

import structlog
import uvicorn
import uvloop
from uvicorn.server import ServerState

from ingest.admin import admin
from ingest.answers import Refusal
from ingest.app import App, Rules
from ingest.delivery import Delivery, Readiness
from ingest.metrics import Metrics
from ingest.protocol import Connection
from ingest.publisher import BadOptions, Publisher
from schemas.topics import Topics
from schemas.workspace import Workspaces

__all__ = ["BadOptions", "CannotListen", "Config", "Failed", "Rules", "listen", "run", "serve"]

log = structlog.get_logger()

KEEP_ALIVE_SECONDS: Final = 75  # longer than load balancers' 60, so that they close first
DRAIN_SECONDS, FLUSH_SECONDS = 10.0, 5.0
_BACKLOG = 4096
_SPARE_FILES = 256  # for Kafka, logs and the admin port
_TICK_SECONDS, _REPORT_SECONDS = 1.0, 10.0


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
    api = App(delivery, config.workspaces, config.rules, metrics)
    readiness = lambda: Readiness(ready=False, reason="leaving") if stop.is_set() else delivery.readiness  # noqa: E731
    state, health_state = ServerState(), ServerState()
    metrics.connections.set_function(lambda: len(state.connections))
    metrics.workspaces_refused.set_function(config.workspaces_refused)
    servers = (
        await _open(http, api, state, lambda refusal: metrics.answered(refusal.status, refusal.code, 0)),
        await _open(health, admin(readiness, metrics), health_state, lambda _: None),
    )
    gc.freeze()  # what was made so far stays: no need to look through it again and again
    log.info("ingest.started", http=_place(http), admin=_place(health))
    await _run(delivery, stop, (state, health_state), metrics)
    log.info("ingest.stopping", connections=len(state.connections))
    await _drain(servers[0], state, DRAIN_SECONDS)
    await delivery.close(FLUSH_SECONDS)
    await _drain(servers[1], health_state, 0)
    log.info("ingest.stopped")
    if delivery.failure is not None:
        raise Failed(delivery.failure)


async def _open(
    listening: socket.socket, app: Any, state: ServerState, refused: Callable[[Refusal], None]
) -> asyncio.Server:
    loop, most = asyncio.get_running_loop(), raise_file_limit()
    config = uvicorn.Config(
        app,
        loop="none",
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    config.load()
    return await loop.create_server(
        lambda: Connection(config, state, loop, most, refused), sock=listening, backlog=_BACKLOG
    )


async def _run(
    delivery: Delivery,
    stop: asyncio.Event,
    states: tuple[ServerState, ...],
    metrics: Metrics,
) -> None:
    """Until it is time to leave, tell connections the date, and now and then the log how much was refused."""
    loop = asyncio.get_running_loop()
    report_at = loop.time()
    while not stop.is_set():
        if loop.time() >= report_at:
            report_at += _REPORT_SECONDS
            if refused := metrics.refused():
                log.info("requests.refused", **refused)
        for state in states:
            state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _TICK_SECONDS)
        if delivery.failure is not None:
            stop.set()


async def _drain(server: asyncio.Server, state: ServerState, seconds: float) -> None:
    """Let no connection in, and the others go; whatever is left after the time given is cut off."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    server.close()
    for connection in list(state.connections):
        connection.shutdown()
    while state.connections and loop.time() < deadline:  # noqa: ASYNC110  the set is uvicorn's
        await asyncio.sleep(0.02)
    for connection in list(state.connections):
        connection.transport.abort()


def _place(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
