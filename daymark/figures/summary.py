"""What running parts do, summarised for people and programs. Pure."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from daymark.figures.scrape import Scrape, Span

STORE_UNAVAILABLE, STORE_FULL, STORE_EVICTING = "unavailable", "full", "may evict claims"
_LANE: Final = "daymark_backfill_lag_records"
_P50: Final = 0.5
_P99: Final = 0.99


class Part(msgspec.Struct, frozen=True):
    """One part. Of a worker: partitions, lag and what it is waiting for; of an ingest: connections and queue.

    Attributes:
        url: of its metrics.
        kind: ingest, worker, audit, or away (it does not answer).
        state: "ok", or the problem.
        events_per_s: accepted by ingest, committed by a worker, judged by an audit.
        partitions: of a worker.
        lag_records: of a worker, in its partitions.
        lag_seconds: of its oldest uncommitted event.
        connections: of an ingest.
        queued: messages that Kafka has not acknowledged to an ingest.
    """

    url: str
    kind: str
    state: str
    events_per_s: float = 0.0
    partitions: int = 0
    lag_records: int = 0
    lag_seconds: float = 0.0
    connections: int = 0
    queued: int = 0


class Summary(msgspec.Struct, frozen=True):
    """All parts together. Rates are per second, between two scrapes; latencies are None if nothing was committed.

    Attributes:
        at_ms: of the later scrape, in epoch milliseconds.
        requests_per_s: of ingest, by HTTP status.
        accepted_per_s: events of ingest, by result.
        events_per_s: events of workers, by outcome.
        traits_per_s: property changes, by outcome.
        transactions_per_s: batches of workers, by outcome.
        lag_records: of all partitions that have a worker.
        lag_seconds: of the oldest uncommitted event.
        lane_records: what is left in a backfill's lane; None: no worker has told.
        commit_p50_s: receipt to commit, at most; likewise p99.
        partitions: that have a worker.
        store: ok, or the problem of the claims store.
        found: by a following audit, since it began.
        parts: each of them.
    """

    at_ms: int
    requests_per_s: Mapping[str, float]
    accepted_per_s: Mapping[str, float]
    events_per_s: Mapping[str, float]
    traits_per_s: Mapping[str, float]
    transactions_per_s: Mapping[str, float]
    lag_records: int
    lag_seconds: float
    lane_records: int | None
    commit_p50_s: float | None
    commit_p99_s: float | None
    partitions: int
    store: str
    found: Mapping[str, int]
    parts: Sequence[Part]


def summed(before: Sequence[Scrape], now: Sequence[Scrape]) -> Summary:
    """Return the summary of two scrapes of the same parts."""
    span = Span([*zip(before, now, strict=True)])
    parts = [_part(*pair) for pair in span.pairs]
    workers = [each for each in now if each.has("daymark_partitions")]
    laned = [each for each in workers if each.has(_LANE)]
    findings: dict[str, int] = {}
    for each in now:
        for labels, value in each.values("daymark_audit_findings_total").items():
            if value:
                findings[labels[0][1]] = findings.get(labels[0][1], 0) + int(value)
    return Summary(
        at_ms=time.time_ns() // 1_000_000,
        requests_per_s=span.rates("daymark_ingest_requests_total", "status"),
        accepted_per_s=span.rates("daymark_ingest_events_total", "result"),
        events_per_s=span.rates("daymark_events_total", "result"),
        traits_per_s=span.rates("daymark_traits_total", "result"),
        transactions_per_s=span.rates("daymark_batches_total", "result"),
        lag_records=sum(part.lag_records for part in parts),
        lag_seconds=max((part.lag_seconds for part in parts), default=0.0),
        lane_records=int(sum(each.total(_LANE) for each in laned)) if laned else None,
        commit_p50_s=_finite(span.quantile(_P50, "daymark_event_commit_seconds")),
        commit_p99_s=_finite(span.quantile(_P99, "daymark_event_commit_seconds")),
        partitions=sum(part.partitions for part in parts),
        store=_store(workers),
        found=findings,
        parts=parts,
    )


def _part(before: Scrape, now: Scrape) -> Part:
    span = Span([(before, now)])
    if now.samples is None:
        return Part(now.url, "away", "does not answer")
    if now.has("daymark_ingest_kafka_up"):
        return Part(
            now.url,
            "ingest",
            "ok" if now.total("daymark_ingest_kafka_up") else "Kafka unavailable",
            span.rate("daymark_ingest_events_total"),
            connections=int(now.total("daymark_ingest_connections")),
            queued=int(now.total("daymark_ingest_queue_messages")),
        )
    if now.has("daymark_partitions"):
        return Part(
            now.url,
            "worker",
            _worker_state(now),
            span.rate("daymark_events_total"),
            int(now.total("daymark_partitions")),
            int(now.total("daymark_lag_records")),
            round(now.most("daymark_event_lag_seconds"), 3),
        )
    if now.has("daymark_audit_events_total"):
        state = "has findings" if now.total("daymark_audit_findings_total") else "ok"
        return Part(now.url, "audit", state, span.rate("daymark_audit_events_total"))
    return Part(now.url, "away", "serves no Daymark metrics")


def _worker_state(worker: Scrape) -> str:
    if worker.total("daymark_paused"):
        return "paused: store unavailable"
    return "ok" if worker.total("daymark_group_settled") else "joining its group"


def _store(workers: Sequence[Scrape]) -> str:
    """Return what workers report about the claims store, the worst first."""
    if not workers:
        return "unknown: no worker answers"
    if any(not each.total("daymark_store_up") for each in workers):
        return STORE_UNAVAILABLE
    for metric, state in (("daymark_claims_full", STORE_FULL), ("daymark_claims_evicting", STORE_EVICTING)):
        if any(each.total(metric) for each in workers):
            return state
    return "ok"


def _finite(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else seconds
