"""Alert rules and dashboard: they ask for metrics that exist; each alert fires when it must, and only then."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from daymark.auditing.watch import Figures
from ingest.metrics import Metrics
from processor.metrics import REGISTRY as WORKER
from tests import alerts, dashboard
from tests.docs import shown_name

PROMTOOL: Final = shutil.which("promtool")
OTHERS: Final = {"up", "process_start_time_seconds"}  # Prometheus's own, and every client library's


def _existing() -> set[str]:
    registries = (Metrics().registry, WORKER, Figures().registry)
    families = [family for registry in registries for family in registry.collect()]
    kinds = {family.name for family in families if family.type == "histogram"}
    return {shown_name(family) for family in families} | {
        name + end for name in kinds for end in ("_bucket", "_sum", "_count")
    }


@pytest.mark.parametrize("query", sorted({*dashboard.queries(), *(alert.expr for alert in alerts.ALERTS)}))
def test_queries_ask_for_metrics_that_exist(query: str) -> None:
    asked = set(re.findall(r"\b(?:daymark|process)_\w+|\bup\b", query))
    assert asked
    assert asked - _existing() - OTHERS == set()


def test_panels_do_not_overlap() -> None:
    board = json.loads(dashboard.drawn())
    taken = [
        (x, y)
        for panel in board["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(taken) == len(set(taken))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_each_alert_says_where_to_read_on() -> None:
    docs = Path(__file__).parents[2] / "docs"
    assert [alert.name for alert in alerts.ALERTS if not (docs / alert.page).exists()] == []


class Case(NamedTuple):
    """A series, a value a minute in promtool's notation: one with which an alert fires, one with which it does not."""

    series: str
    bad: str
    good: str


CASES: Final = {
    "DaymarkDown": Case('up{job="daymark-worker"}', "1x4 0x30", "1x40"),
    "DaymarkRestarting": Case('process_start_time_seconds{job="daymark-worker"}', "0+60x40", "0x20 60x20"),
    "DaymarkIngestWithoutKafka": Case("daymark_ingest_kafka_up", "0x40", "1x40"),
    "DaymarkLagging": Case('daymark_event_lag_seconds{partition="3"}', "0+10x40", "5x40"),
    "DaymarkPartitionsWithoutWorker": Case("daymark_partitions", "11x40", "12x40"),
    "DaymarkWorkerStuck": Case("daymark_last_loop_timestamp_seconds", "0x40", "0+60x40"),
    "DaymarkPaused": Case("daymark_paused", "1x40", "0x40"),
    "DaymarkClaimsFull": Case("daymark_claims_full", "1x40", "0x40"),
    "DaymarkClaimsEvicting": Case("daymark_claims_evicting", "1x40", "0x40"),
    "DaymarkStoreLost": Case("daymark_store_lost_timestamp_seconds", "600x40", "-9999x40"),
    "DaymarkEventsSkipped": Case('daymark_events_skipped_total{partition="3"}', "_x25 5x15", "5x40"),
    "DaymarkOffsetsBeyondEnd": Case('daymark_offsets_beyond_end_total{partition="3"}', "_x25 1x15", "1x40"),
    "DaymarkWorkspacesRefused": Case("daymark_ingest_workspaces_refused", "1x40", "0x40"),
    "DaymarkRejecting": Case('daymark_events_total{result="missing_email"}', "0+60x40", "0x40"),
    "DaymarkRejectionsDropped": Case("daymark_ingest_rejections_dropped_total", "0x25 3x15", "3x40"),
    "DaymarkAuditFound": Case('daymark_audit_findings_total{finding="lost"}', "0x29 1x11", "1x40"),
    "DaymarkAuditStale": Case("daymark_audit_last_cycle_timestamp_seconds", "0x40", "0+60x40"),
}

INGEST_REJECTS: Final = Case('daymark_ingest_events_total{result="missing_email"}', "0+60x40", "0x40")


def test_every_alert_has_a_case() -> None:
    assert list(CASES) == [alert.name for alert in alerts.ALERTS]


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_alerts_fire_when_they_must(tmp_path: Path) -> None:
    """At minute 30, by Prometheus's own evaluation; and the file is one that Prometheus takes."""
    assert PROMTOOL is not None
    checked = subprocess.run(
        [PROMTOOL, "check", "rules", str(alerts.FILE)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    steady = {"series": 'daymark_events_total{result="emitted"}', "values": "0+60x40"}
    tests: list[dict[str, Any]] = []
    by_name = {alert.name: alert for alert in alerts.ALERTS}
    for name, case in (*CASES.items(), ("DaymarkRejecting", INGEST_REJECTS)):
        alert = by_name[name]
        labels = dict(re.findall(r'(\w+)="([^"]*)"', case.series)) if "sum(" not in alert.expr else {}
        labels = {} if alert.expr.startswith("max(") else labels
        said = {"summary": alert.meaning, "description": alert.action, "page": f"docs/{alert.page}"}
        fired = [{"exp_labels": {"severity": alert.severity, **labels}, "exp_annotations": said}]
        for values, expected in ((case.bad, fired), (case.good, [])):
            rule = {"eval_time": "30m", "alertname": alert.name, "exp_alerts": expected}
            series = [{"series": case.series, "values": values}, steady]
            tests.append({"interval": "1m", "input_series": series, "alert_rule_test": [rule]})
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps({"rule_files": [str(alerts.FILE)], "evaluation_interval": "1m", "tests": tests}))
    tested = subprocess.run([PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr
