"""One process of ingest: its two ports, event loop, start, drain, stop.

Owns the order of start-up and shutdown; `app` answers requests.

Start-up: the admin port opens at once. The API's opens once Kafka has its topics, so that a proxy without health checks
tries another instance; without Kafka it opens after `KAFKA_WAIT_SECONDS` and answers 503, as the contract promises.

Shutdown, on SIGTERM or SIGINT:

1. /readyz is 503. On SIGTERM everything is served for `drain_s` more, each answer with `Connection: close`, so that
   proxies notice. SIGINT, a second signal, or a failed producer skips the rest of this time.
2. The API's port is closed: connections are refused, idle ones closed, requests in progress answered.
3. The producer's queue is flushed. The process exits with 0.
"""

import asyncio
import gc
import resource
import signal
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
import uvloop

from ingest.app import App
from ingest.delivery import Delivery, Readiness
from ingest.http.admin import Admin
from ingest.http.deadlines import PATIENT, Patience
from ingest.http.listener import CannotListen, Listener, bind
from ingest.metrics import Metrics
from ingest.publisher import BadOptions, Publisher
from ingest.resources import Rules
from ingest.tracing import Tracing
from schemas import zones
from schemas.topics import Topics
from schemas.workspace import Workspaces

__all__ = ["BadOptions", "CannotListen", "Config", "Failed", "Patience", "Rules", "bind", "run", "serve"]

log = structlog.get_logger()

KAFKA_WAIT_SECONDS: Final = 10.0  # a broker that answers at all does so in less
FINISH_SECONDS: Final = 10.0  # twice what a request may take
FLUSH_SECONDS: Final = 5.0
_SPARE_FILES: Final = 256  # for Kafka, logs and the admin port
_LOOK_SECONDS, _REPORT_SECONDS = 1.0, 10.0
_START_LOOK_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of a process of ingest.

    `kafka` is librdkafka's options of the connection; `workspaces_refused` says whether their file cannot be read;
    `limits` asks for the topics' `max.message.bytes`;
    `drain_s` is how long everything is still served after SIGTERM, in seconds; `trace` begins the traces of a process.
    """

    kafka: Mapping[str, Any] = field(repr=False)
    topics: Topics
    workspaces: Callable[[], Workspaces]
    workspaces_refused: Callable[[], bool] = lambda: False
    rules: Rules
    drain_s: float = 0.0
    limits: Callable[[], Iterable[int]] = tuple
    build: Mapping[str, str] = field(default_factory=dict)
    patience: Patience = PATIENT
    trace: Callable[[], Tracing | None] = lambda: None


class Failed(Exception):
    """The producer is beyond repair: the process has to be started again."""


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
        http: from `bind`, for the API. Workers share it.
        health: from `bind`, for health and metrics.
        config: the rest.

    Raises:
        BadOptions: librdkafka does not know its options.
        CannotListen: another process listens there meanwhile.
        Failed: the producer is beyond repair.
    """
    uvloop.run(
        serve(
            http, health, config, lambda metrics: Publisher(config.kafka, config.topics, metrics, limits=config.limits)
        )
    )


async def serve(
    http: socket.socket,
    health: socket.socket,
    config: Config,
    deliver: Callable[[Metrics], Delivery],
) -> None:
    """Serve until SIGTERM or SIGINT, then leave in order. `deliver` makes the delivery, within this loop."""
    metrics = Metrics()
    delivery = deliver(metrics)
    most = raise_file_limit()
    tracing = config.trace()
    app = App(delivery, config.workspaces, config.rules, metrics, tracing=tracing)
    api = Listener(http, app, most, config.patience)
    stop = _Stop(api.connections.last_answers)
    admin = Listener(health, Admin(lambda: (True, ""), lambda: _readiness(stop, api, delivery), metrics.registry), most)
    metrics.connections.set_function(lambda: len(api.connections))
    metrics.workspaces_refused.set_function(config.workspaces_refused)
    if config.build:
        metrics.build.labels(**config.build).set(1)
    gc.freeze()  # what was made so far stays: no need to look through it again and again
    gc.set_threshold(20_000, 20, 100)  # requests leave no circles; what connections leave can wait
    await admin.open()
    log.info("ingest.starting", admin=admin.address)
    await _wait_for_kafka(delivery, stop)
    if not stop.asked.is_set():
        await api.open()
        log.info("ingest.started", http=api.address, admin=admin.address, time_zones=zones.version())
        await _run(delivery, stop, metrics)
    log.info("ingest.stopping", connections=len(api.connections))
    await _drain(api, stop, config.drain_s)
    await api.close(FINISH_SECONDS)
    await delivery.close(FLUSH_SECONDS)
    if tracing is not None:
        await asyncio.to_thread(tracing.close)
    await admin.close(0)
    log.info("ingest.stopped")
    if delivery.failure is not None:
        raise Failed(delivery.failure)


class _Stop:
    """What the signals requested: to shut down, and whether at once. Must be created within the event loop.

    `tell` is called when a shutdown is requested, so that no answer of the same moment lacks `Connection: close`.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self.asked, self.hurried, self._tell = asyncio.Event(), asyncio.Event(), tell
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._hear, number)

    def now(self) -> None:
        """Stop at once, without draining."""
        self._ask()
        self.hurried.set()

    def _hear(self, number: signal.Signals) -> None:
        if number == signal.SIGINT or self.asked.is_set():
            self.now()
        self._ask()

    def _ask(self) -> None:
        self.asked.set()
        self._tell()


def _readiness(stop: _Stop, api: Listener, delivery: Delivery) -> Readiness:
    if stop.asked.is_set():
        return Readiness(ready=False, reason="shutting down")
    if delivery.readiness.ready and not api.is_open:
        return Readiness(ready=False, reason="starting")
    return delivery.readiness


async def _wait_for_kafka(delivery: Delivery, stop: _Stop) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + KAFKA_WAIT_SECONDS
    while not delivery.readiness.ready and not stop.asked.is_set() and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_START_LOOK_SECONDS)


async def _drain(api: Listener, stop: _Stop, seconds: float) -> None:
    """Serve on; each connection ends with its next answer."""
    if api.is_open:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.hurried.wait(), seconds)


async def _run(delivery: Delivery, stop: _Stop, metrics: Metrics) -> None:
    """Until it is time to leave, log now and then how many requests were refused."""
    loop = asyncio.get_running_loop()
    report_at = loop.time()
    while not stop.asked.is_set():
        if loop.time() >= report_at:
            report_at += _REPORT_SECONDS
            if refused := metrics.refused():
                log.info("requests.refused", **refused)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.asked.wait(), _LOOK_SECONDS)
        if delivery.failure is not None:
            stop.now()
