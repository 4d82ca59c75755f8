"""The Grafana dashboard: panels written here, generated into deploy/grafana/daymark.json by `make docs`."""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

FILE: Final = Path(__file__).parent.parent / "deploy" / "grafana" / "daymark.json"
_WIDTH, _HEIGHT, _COLUMNS = 8, 7, 3


class Panel(NamedTuple):
    """A panel: its title, unit, and queries with their legends."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


def _percentile(percent: float, histogram: str) -> str:
    return f"histogram_quantile({percent}, sum by (le) (rate({histogram}_bucket[5m])))"


ROWS: Final[tuple[tuple[str, tuple[Panel, ...]], ...]] = (
    (
        "Overview",
        (
            Panel("Lag, oldest event", "s", (("max(daymark_event_lag_seconds)", "oldest"),)),
            Panel("Lag, records", "short", (("sum(daymark_lag_records)", "all partitions"),)),
            Panel(
                "Receipt to commit",
                "s",
                tuple(
                    (_percentile(percent, "daymark_event_commit_seconds"), name)
                    for percent, name in ((0.5, "p50"), (0.99, "p99"))
                ),
            ),
        ),
    ),
    (
        "Workers",
        (
            Panel("Events, by outcome", "ops", (("sum by (result) (rate(daymark_events_total[1m]))", "{{result}}"),)),
            Panel("Properties", "ops", (("sum by (result) (rate(daymark_traits_total[1m]))", "{{result}}"),)),
            Panel("Transactions", "ops", (("sum by (result) (rate(daymark_batches_total[1m]))", "{{result}}"),)),
            Panel(
                "Seconds of a batch's steps, p99",
                "s",
                (
                    (
                        "histogram_quantile(0.99, sum by (le, step) (rate(daymark_step_seconds_bucket[5m])))",
                        "{{step}}",
                    ),
                ),
            ),
            Panel(
                "Records per batch",
                "short",
                (("sum(rate(daymark_batch_records_sum[5m])) / sum(rate(daymark_batch_records_count[5m]))", "mean"),),
            ),
            Panel(
                "Partitions and members",
                "short",
                (
                    ("sum(daymark_partitions)", "assigned partitions"),
                    ("sum(daymark_group_settled)", "settled workers"),
                    ("sum(increase(daymark_sessions_total[10m]))", "new sessions, 10 min"),
                ),
            ),
            Panel(
                "Claims store",
                "short",
                (
                    ("min(daymark_store_up)", "answers"),
                    ("max(daymark_paused)", "paused"),
                    ("max(daymark_claims_full)", "full"),
                    ("max(daymark_claims_evicting)", "may evict"),
                ),
            ),
            Panel(
                "Events lost to retention, offsets beyond the end",
                "short",
                (
                    ("sum(increase(daymark_events_skipped_total[10m]))", "skipped"),
                    ("sum(increase(daymark_offsets_beyond_end_total[10m]))", "beyond the end"),
                ),
            ),
            Panel(
                "Seconds since the loop moved",
                "s",
                (("time() - daymark_last_loop_timestamp_seconds", "{{instance}}"),),
            ),
        ),
    ),
    (
        "Ingest",
        (
            Panel("Events", "ops", (("sum by (result) (rate(daymark_ingest_events_total[1m]))", "{{result}}"),)),
            Panel("Requests", "ops", (("sum by (status) (rate(daymark_ingest_requests_total[1m]))", "{{status}}"),)),
            Panel(
                "Request time",
                "s",
                tuple(
                    (_percentile(percent, "daymark_ingest_request_seconds"), name)
                    for percent, name in ((0.5, "p50"), (0.99, "p99"))
                ),
            ),
            Panel(
                "Connections and requests",
                "short",
                (
                    ("sum(daymark_ingest_connections)", "connections"),
                    ("sum(daymark_ingest_requests_in_flight)", "in flight"),
                ),
            ),
            Panel("Producer queue", "short", (("sum(daymark_ingest_queue_messages)", "messages"),)),
            Panel(
                "Kafka",
                "short",
                (
                    ("min(daymark_ingest_kafka_up)", "answers"),
                    ("sum by (error) (rate(daymark_ingest_delivery_failures_total[5m]))", "{{error}}"),
                ),
            ),
        ),
    ),
    (
        "Audit",
        (
            Panel(
                "Found by daymark audit --follow",
                "short",
                (("sum by (finding) (increase(daymark_audit_findings_total[10m])) > 0", "{{finding}}"),),
            ),
            Panel("Events judged", "ops", (("sum(rate(daymark_audit_events_total[1m]))", "judged"),)),
            Panel(
                "Seconds since the last cycle",
                "s",
                (("time() - daymark_audit_last_cycle_timestamp_seconds", "{{instance}}"),),
            ),
        ),
    ),
)


def queries() -> list[str]:
    """Return every query."""
    return [query for _, panels in ROWS for panel in panels for query, _ in panel.queries]


def drawn() -> str:
    """Return the dashboard, as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": title, "gridPos": {"h": 1, "w": 24, "x": 0, "y": top}}
        )
        top += 1
        for number, panel in enumerate(row):
            at = {
                "h": _HEIGHT,
                "w": _WIDTH,
                "x": number % _COLUMNS * _WIDTH,
                "y": top + number // _COLUMNS * _HEIGHT,
            }
            panels.append(_panel(len(panels) + 1, panel, at))
        top += -(-len(row) // _COLUMNS) * _HEIGHT
    source = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    board = {
        "uid": "daymark",
        "title": "Daymark",
        "tags": ["daymark"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [source]},
        "panels": panels,
    }
    return json.dumps(board, indent=2) + "\n"


def _panel(number: int, panel: Panel, at: dict[str, int]) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    targets = [
        {"refId": chr(ord("A") + index), "datasource": source, "expr": query, "legendFormat": legend}
        for index, (query, legend) in enumerate(panel.queries)
    ]
    defaults = {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 10, "showPoints": "never"}}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": at,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": targets,
    }
