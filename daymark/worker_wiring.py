"""The wiring of one worker: settings -> the parts of processor."""

import gc
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext

import click
import structlog

from daymark import admin, kafka, limits, logs, redis_url, registry, timeouts, tracing, versions, witness
from daymark.setting_types import Address
from daymark.settings import PUBLISHED_CLAIM_KEY, Settings, SettingsFaults
from daymark.workspaces_file import WorkspacesFile
from ingest.http.listener import CannotListen
from processor import metrics
from processor.breaker import Breaker
from processor.claims import Claims, Lifetimes
from processor.errors import ClaimsAway, ClaimsFull, Fatal
from processor.health import STATE
from processor.lane import Lane
from processor.outputs import Codecs
from processor.ports import Session
from processor.sink import Sink
from processor.source import Source
from processor.topic_admin import TopicAdmin
from processor.worker import Worker
from schemas import avro, zones
from schemas.workspace import Workspaces

_LOOK_S = 0.1
_STORE_EVERY_S = 2.0  # between two checks whether the store answers

log = structlog.get_logger()


def serve(settings: Settings, address: Address, arm: Callable[[Worker], None], is_told: Callable[[], bool]) -> None:
    """Run a worker until it is stopped.

    Args:
        settings: of this process.
        address: where health and metrics are served.
        arm: called with the worker before it runs, so that signals reach it.
        is_told: whether it was asked to shut down: then nothing that has not started is waited for.

    Raises:
        ClickException: it cannot start, or cannot continue.
        SettingsFaults: DAYMARK_REDIS names a file that does not exist.
    """
    if missing := redis_url.missing_files(settings.redis):
        raise SettingsFaults([f"DAYMARK_REDIS: the file of {name} does not exist" for name in missing])
    logs.configure(settings.log_format, settings.log_level)
    tracing.check(settings.traces)
    traces = tracing.begun(settings.traces, "daymark-process")
    claims = _claims(settings)
    worker = _worker(settings, claims, traces, is_told)
    # What is loaded stays; batches leave no cycles behind. The collector took a twentieth of a worker's time.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    served = _admin(address)
    arm(worker)
    _announce(settings, served.place, claims)
    try:
        worker.run()
    except Fatal as error:
        log.error("worker.failed", error=str(error))
        raise click.ClickException(str(error)) from None
    except Exception as error:
        log.exception("worker.crashed")
        raise click.ClickException(f"a bug in Daymark: {error!r}; the log has the traceback") from None
    finally:
        served.end()
        claims.close()
        if traces is not None:
            traces.close()
    log.info("worker.stopped")


def _worker(settings: Settings, claims: Claims, traces: tracing.Traces | None, is_told: Callable[[], bool]) -> Worker:
    return Worker(
        lambda: _session(settings, claims, is_told),
        claims,
        workspaces=_workspaces(settings),
        topics=settings.topics,
        codecs=_codecs(settings),
        breaker=Breaker(settings.rejected_percent, settings.rejected_records),
        sleep=lambda seconds: _sleep(seconds, is_told),
        traced=nullcontext if traces is None else lambda records: traces.batch(record.trace for record in records),
    )


def _announce(settings: Settings, admin: str, claims: Claims) -> None:
    metrics.BUILD.labels(**versions.labels()).set(1)
    log.info("worker.started", group=settings.group, slot=settings.slot, admin=admin, time_zones=zones.version())
    # Beside the start: a store that does not answer would hold it up for seconds.
    threading.Thread(target=_watch_store, args=[settings, claims], name="store", daemon=True).start()


def _sleep(seconds: float, is_told: Callable[[], bool]) -> None:
    """Wait, but only until the worker is asked to shut down."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not is_told():
        time.sleep(min(left, _LOOK_S))


def _workspaces(settings: Settings) -> Callable[[], Workspaces]:
    """Return a function for the current workspaces, and set a metric while their file is invalid."""
    if settings.workspaces is None:
        return Workspaces
    file = WorkspacesFile(settings.workspaces)
    metrics.WORKSPACES_REFUSED.set_function(file.is_refused)
    return file.current


def _session(settings: Settings, claims: Claims, is_told: Callable[[], bool]) -> Session:
    """Open a session: look at the topics and the store, then join the group.

    Producer, consumer and the reader of offsets connect in the background from the start: one after the other they
    would keep a restarted worker's partitions standing still for longer.
    """
    config, events = kafka.client_config(settings), settings.topics.events
    topics = TopicAdmin(config, settings.topics, is_told, limits.read, has_lane=settings.backfill_lane)
    budget_s = timeouts.budget_ms(settings.transaction_timeout_ms) / 1000
    backfill, member = settings.topics.backfill, kafka.consumer_config(settings)
    sink = Sink(
        kafka.producer_config(settings), events, budget_s, note=claims.note, limit=topics.batch_bytes, backfill=backfill
    )
    lane = Lane(member, backfill, topics.backfill_mark) if settings.backfill_lane else None
    source = Source(member, events, settings.batch_records, topics.mark, lane=lane)
    reader = None if claims.met else witness.Reader(config, settings.group)
    try:
        topics.check()  # before the group is joined: a worker that is refused causes no rebalance
        sink.fit()
        if reader is not None:
            _meet(settings, claims, reader.ask(events))
        sink.poll()
        source.join()
    except BaseException:
        source.close()
        sink.close()
        raise
    finally:
        if reader is not None:
            reader.close()
    return Session(source, sink, topics.room_bytes)


def _claims(settings: Settings) -> Claims:
    lifetimes = Lifetimes(settings.claim_days, settings.clock_days)
    return Claims(settings.redis, settings.claim_key, lifetimes, settings.topics.prefix)


def _meet(settings: Settings, claims: Claims, told: witness.Witness) -> None:
    """Check the store once. If it does not answer, the first claim deals with that."""
    claims.introduce(told.kafka, told.last, settings.claims_moved_from)
    try:
        claims.meet()
    except ClaimsAway as error:
        log.warning("claims.away", error=str(error), full=isinstance(error, ClaimsFull))


def _codecs(settings: Settings) -> Codecs:
    codecs, topics = Codecs(avro.INTERACTION, avro.TRAIT, avro.REJECTED), settings.topics
    if settings.schema_registry is None:
        return codecs
    known = settings.schema_registry
    return Codecs(
        registry.registered(known, topics.interactions, codecs.interaction),
        registry.registered(known, topics.traits, codecs.trait),
        registry.registered(known, topics.rejected, codecs.rejected),
    )


def _admin(address: Address) -> admin.Served:
    try:
        return admin.serve(address)
    except CannotListen as error:
        raise click.ClickException(f"{error}; set DAYMARK_ADMIN to another address for health and metrics") from None


def _watch_store(settings: Settings, claims: Claims) -> None:
    _warn(settings, claims)
    while True:
        STATE.store_answers = claims.answers()
        time.sleep(_STORE_EVERY_S)


def _warn(settings: Settings, claims: Claims) -> None:
    if settings.claim_key in {None, PUBLISHED_CLAIM_KEY}:
        log.warning(
            "claims.key_public",
            advice="set DAYMARK_CLAIM_KEY, so that deduplication keys cannot be guessed from e-mails",
        )
    policy = claims.policy()
    metrics.EVICTING.set(policy not in {None, "noeviction"})
    if policy not in {None, "noeviction"}:
        log.error(
            "claims.evicting",
            policy=policy,
            advice="set Redis's maxmemory-policy to noeviction: evicted claims are lost",
        )
