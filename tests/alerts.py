"""The alert rules for Prometheus; `make docs` generates deploy/prometheus/ and a table of docs/ from them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

FILE: Final = Path(__file__).parent.parent / "deploy" / "prometheus" / "daymark.rules.yml"


class Alert(NamedTuple):
    """An alert: when it fires, after how long, what it means, what to do, and the page that says more."""

    name: str
    expr: str
    wait: str
    severity: str
    meaning: str
    action: str
    page: str


def _grew(metric: str) -> str:
    """Return what is true while a counter has grown within ten minutes, also one that was not there before."""
    return f"increase({metric}[10m]) > 0 or ({metric} > 0 unless {metric} offset 10m)"


def _rate(metric: str) -> str:
    """Return events a second of all parts; 0 where none has the metric."""
    return f"(sum(rate({metric}[5m])) or vector(0))"


_REJECTED_BY_WORKERS: Final = _rate('daymark_events_total{result!~"emitted|duplicate"}')
_JUDGED_BY_WORKERS: Final = _rate("daymark_events_total")
_REJECTED_BY_INGEST: Final = _rate('daymark_ingest_events_total{result!~"accepted|failed"}')

ALERTS: Final = (
    Alert(
        "DaymarkDown",
        'up{job=~"daymark.*"} == 0',
        "1m",
        "critical",
        "An ingest, a worker or an audit cannot be scraped: it has exited, hangs, or is partitioned from the network.",
        "Read the end of its log: exit status 1 comes with advice. `daymark doctor` checks what it depends on.",
        "failures.md",
    ),
    Alert(
        "DaymarkRestarting",
        'changes(process_start_time_seconds{job=~"daymark.*"}[15m]) > 3',
        "0m",
        "critical",
        "A process keeps restarting: a worker that exits with status 1 does so until its cause is removed.",
        "Read `worker.failed` in its log: it names the setting, permission or format to correct.",
        "failures.md",
    ),
    Alert(
        "DaymarkIngestWithoutKafka",
        "daymark_ingest_kafka_up == 0",
        "1m",
        "critical",
        "Ingest cannot reach Kafka or its topics and answers 503. Senders retry, Segment for up to 4 hours.",
        "Bring Kafka back before senders give up; nothing that was answered 200 is lost.",
        "failures.md",
    ),
    Alert(
        "DaymarkLagging",
        "max(daymark_event_lag_seconds) > 60",
        "2m",
        "warning",
        "The oldest uncommitted event of a partition is over a minute old: interactions are delayed, none is lost.",
        "See DaymarkPaused and DaymarkDown; if neither fires, add workers (up to the number of partitions).",
        "kafka.md",
    ),
    Alert(
        "DaymarkPartitionsWithoutWorker",
        "sum(daymark_partitions) < 12",
        "5m",
        "critical",
        "Fewer partitions are assigned than exist (12; adjust the rule): some are not read, and report no lag.",
        "Start the missing workers; `daymark doctor` shows the group's members.",
        "kafka.md",
    ),
    Alert(
        "DaymarkWorkerStuck",
        "time() - daymark_last_loop_timestamp_seconds > 60",
        "1m",
        "critical",
        "A worker's loop has not completed an iteration for a minute.",
        "Restart the worker: its batch is processed again, nothing is duplicated. Keep its log.",
        "failures.md",
    ),
    Alert(
        "DaymarkPaused",
        "daymark_paused > 0",
        "1m",
        "critical",
        "The claims store does not answer: workers have paused their partitions and stay in the group.",
        "Bring Redis or Valkey back; workers continue by themselves.",
        "store.md",
    ),
    Alert(
        "DaymarkClaimsFull",
        "daymark_claims_full > 0",
        "0m",
        "critical",
        "The claims store is out of memory; workers wait.",
        "Raise `maxmemory`, or the machine's memory; `daymark claims check` estimates what claims take.",
        "store.md",
    ),
    Alert(
        "DaymarkClaimsEvicting",
        "daymark_claims_evicting > 0",
        "0m",
        "critical",
        "The store may evict claims: contact-days can be emitted twice.",
        "Set `maxmemory-policy noeviction`.",
        "store.md",
    ),
    Alert(
        "DaymarkStoreLost",
        "time() - daymark_store_lost_timestamp_seconds < 3600",
        "0m",
        "critical",
        "In the last hour the store lost claims: it was emptied, replaced, or failed over to an older replica.",
        "Run `daymark claims rebuild --execute` at once, then `daymark audit`.",
        "incidents.md",
    ),
    Alert(
        "DaymarkEventsSkipped",
        _grew("daymark_events_skipped_total"),
        "0m",
        "critical",
        "Retention has deleted events before a worker had committed them: they are lost.",
        "Raise the retention of segment.events, remove the lag, and have the events sent again.",
        "kafka.md",
    ),
    Alert(
        "DaymarkOffsetsBeyondEnd",
        _grew("daymark_offsets_beyond_end_total"),
        "0m",
        "critical",
        "A committed offset lies beyond the end of the log: an unclean leader election or a restore has truncated it.",
        "Find out what was truncated; the partition is read from its beginning, idempotently while claims live.",
        "kafka.md",
    ),
    Alert(
        "DaymarkWorkspacesRefused",
        "daymark_workspaces_refused > 0 or daymark_ingest_workspaces_refused > 0",
        "1m",
        "warning",
        "The workspaces file is invalid; the previous one stays in force.",
        "Run `daymark workspaces check` on it; `workspaces.refused` in the log names every fault.",
        "workspaces.md",
    ),
    Alert(
        "DaymarkRejecting",
        f"({_REJECTED_BY_WORKERS} + {_REJECTED_BY_INGEST}) / ({_JUDGED_BY_WORKERS} + {_REJECTED_BY_INGEST}) > 0.1",
        "5m",
        "warning",
        "Over a tenth of the events are rejected: a sender or a custom format is wrong. They are in segment.rejected.",
        "`daymark rejected` counts them by reason and workspace; correct the cause, then resend.",
        "incidents.md",
    ),
    Alert(
        "DaymarkRejectionsDropped",
        _grew("daymark_ingest_rejections_dropped_total"),
        "0m",
        "warning",
        "Ingest rejected events and could not record them, because the producer's queue was full.",
        "Senders got a 4xx response; find out what fills the queue: a slow Kafka, or a flood of events.",
        "failures.md",
    ),
    Alert(
        "DaymarkAuditFound",
        _grew("daymark_audit_findings_total"),
        "0m",
        "critical",
        "`daymark audit --follow` has found lost, duplicated or wrong records; the label `finding` says which.",
        "Its log has coordinates and ids; `daymark audit --help` explains findings, `daymark why` one event.",
        "audit.md",
    ),
    Alert(
        "DaymarkAuditStale",
        "time() - daymark_audit_last_cycle_timestamp_seconds > 120",
        "1m",
        "warning",
        "The following audit has not completed a cycle for two minutes: new faults are found late.",
        "Read `cycle.failed` in its log; restart it if it has exited.",
        "audit.md",
    ),
)


def drawn() -> str:
    """Return the file of rules: YAML, its strings as JSON has them."""
    return "\n".join(_lines()) + "\n"


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield the alerts as docs/operations.md lists them: name, expression, what it means, what to do."""
    for alert in ALERTS:
        after = "" if alert.wait == "0m" else f", for {alert.wait}"
        yield f"`{alert.name}`", f"`{alert.expr}`{after}", alert.meaning, alert.action


def _lines() -> Iterator[str]:
    yield "# Alert rules of Daymark, for `rule_files` of Prometheus. Generated by `make docs` from tests/alerts.py."
    yield "groups:"
    yield "  - name: daymark"
    yield "    rules:"
    for alert in ALERTS:
        yield f"      - alert: {alert.name}"
        yield f"        expr: {json.dumps(alert.expr)}"
        yield f"        for: {alert.wait}"
        yield f"        labels: {{severity: {alert.severity}}}"
        yield "        annotations:"
        yield f"          summary: {json.dumps(alert.meaning)}"
        yield f"          description: {json.dumps(alert.action)}"
        yield f"          page: docs/{alert.page}"
