"""Every metric of a worker: name, kind, labels and meaning in one place. docs/operations.md lists them.

Those that are computed on each scrape are defined in `lag`.
"""

from typing import Final

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

from processor.health import STATE
from processor.lag import Lag, Latencies

REGISTRY: Final = prometheus_client.REGISTRY  # where the library registers what is defined here
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

BUILD: Final = Gauge(
    "daymark_build_info",
    "Always 1; its labels say what is running: the versions of Daymark, Python, librdkafka and the tz database",
    ["version", "python", "librdkafka", "time_zones"],
)
EVENTS: Final = Counter(
    "daymark_events_total",
    "Events committed, by outcome: emitted, duplicate, or the rejection reason",
    ["result"],
)
TRAITS: Final = Counter(
    "daymark_traits_total", "Property changes committed: emitted, or stale (a newer one was emitted before)", ["result"]
)
SKIPPED: Final = Counter(
    "daymark_events_skipped_total",
    "Offsets deleted by retention before a worker had committed them: alert",
    ["partition"],
)
BEYOND_END: Final = Counter(
    "daymark_offsets_beyond_end_total",
    "Committed offsets beyond the end of the log, which is then read from its beginning: alert",
    ["partition"],
)
UNKNOWN_WORKSPACE: Final = Counter(
    "daymark_events_unknown_workspace_total", "Events of a workspace that is not in the workspaces file"
)
WORKSPACES_REFUSED: Final = Gauge(
    "daymark_workspaces_refused", "1 while the workspaces file is invalid and the previous one stays in force: alert"
)
BATCHES: Final = Counter("daymark_batches_total", "Batches by outcome: committed, aborted, claims_away", ["result"])
SESSIONS: Final = Counter(
    "daymark_sessions_total",
    "Sessions opened (a consumer and a producer each); more than one means that a session was lost",
)
BATCH_RECORDS: Final = Histogram(
    "daymark_batch_records", "Records per batch", buckets=(1, 10, 100, 500, 1000, 2000, 5000, 10000)
)
STEP_SECONDS: Final = Histogram(
    "daymark_step_seconds", "Duration of each step of a batch: read, claim, decide, commit", ["step"], buckets=_SECONDS
)
BACKLOG_EVENTS: Final = Counter(
    "daymark_backlog_events_total", "Events committed while working off a backlog: in full batches, one after another"
)
BACKLOG_SECONDS: Final = Counter(
    "daymark_backlog_seconds_total",
    "Time that these events took: the quotient of both is what the worker can process",
)
LAG: Final = Lag()
REGISTRY.register(LAG)
BACKFILL_LAG: Final = Lag(lane="backfill")
REGISTRY.register(BACKFILL_LAG)
LATENCIES: Final = Latencies()
REGISTRY.register(LATENCIES)
PARTITIONS: Final = Gauge("daymark_partitions", "Partitions assigned to this worker")
SETTLED: Final = Gauge(
    "daymark_group_settled", "1 while this worker is a settled member of the group, possibly without partitions"
)
STORE_UP: Final = Gauge("daymark_store_up", "1 while the claims store answers")
PAUSED: Final = Gauge("daymark_paused", "1 while Redis is unavailable and the partitions are paused")
CLAIMS_FULL: Final = Gauge("daymark_claims_full", "1 while Redis is out of memory for claims: alert")
EVICTING: Final = Gauge(
    "daymark_claims_evicting", "1 when Redis may evict claims (its policy is not noeviction): alert"
)
STORE_LOST: Final = Gauge(
    "daymark_store_lost_timestamp_seconds",
    "When this worker last noticed that Redis had lost claims (emptied, another one, or an older replica), 0: never: "
    "alert",
)
LAST_LOOP: Final = Gauge("daymark_last_loop_timestamp_seconds", "When the worker's loop last completed an iteration")

PARTITIONS.set_function(lambda: STATE.partitions)
SETTLED.set_function(lambda: STATE.is_settled)
STORE_UP.set_function(lambda: STATE.store_answers)
PAUSED.set_function(lambda: STATE.is_paused)
LAST_LOOP.set_function(lambda: STATE.last_loop_s)


def value(metric: Counter | Gauge) -> float:
    """Return the figure of a metric without labels."""
    return next(
        sample.value for family in metric.collect() for sample in family.samples if not sample.name.endswith("_created")
    )
