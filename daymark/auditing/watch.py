"""`daymark audit --follow`: runs cycles, checks the group's offsets in between, reports by metrics and logs."""

import threading
import time
from typing import Any, Final

import click
import structlog
from confluent_kafka import KafkaException
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from daymark.auditing.findings import Finding
from daymark.auditing.following import Cycle, Follower

log: Final = structlog.get_logger()
_LOOK_S: Final = 1.0
_MOST_LINES: Final = 20  # log lines for a cycle's examples


class Figures:
    """The metrics of a following audit."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.findings = Counter(
            "daymark_audit_findings_total",
            "Events lost, duplicated or wrong, by the label `finding`, which has the names of the report: alert",
            ["finding"],
            registry=self.registry,
        )
        for finding in Finding:
            self.findings.labels(finding.value)  # starts at 0, so that the first one is an increase
        self.events = Counter("daymark_audit_events_total", "Events judged", registry=self.registry)
        self.again = Counter(
            "daymark_audit_emitted_again_total",
            "Records emitted again after a reset of the group: not a fault",
            registry=self.registry,
        )
        self.resets = Counter(
            "daymark_audit_resets_total",
            "How often the group's offset in a partition was reset",
            registry=self.registry,
        )
        self.lag = Gauge(
            "daymark_audit_lag_records",
            "Events that the group had yet to commit at the last cycle",
            registry=self.registry,
        )
        self.last = Gauge(
            "daymark_audit_last_cycle_timestamp_seconds",
            "When the last cycle was complete: alert when it is old",
            registry=self.registry,
        )

    def take(self, cycle: Cycle) -> None:
        """Count a cycle."""
        for finding, count in cycle.faults.items():
            self.findings.labels(finding.value).inc(count)
        self.again.inc(cycle.again)
        self.events.inc(cycle.events)
        self.lag.set(cycle.lag)
        self.last.set(time.time())

    def serve(self, host: str, port: int) -> str:
        """Serve the metrics, and return the address: host:port.

        Raises:
            OSError: the address is not available.
        """
        server, _ = start_http_server(port, host, self.registry)
        return f"{host}:{server.server_port}"


def follow(follower: Follower, figures: Figures, every_s: float, stopping: threading.Event) -> None:
    """Run cycles until `stopping` is set. While Kafka is unavailable, keep trying."""
    due = time.monotonic()
    while not stopping.is_set():
        try:
            figures.resets.inc(follower.look())
            if time.monotonic() >= due:
                due = time.monotonic() + every_s
                cycle = follower.cycle()
                figures.take(cycle)
                _tell(cycle)
                follower.note()  # not before: what is not reported yet is judged again after a kill
        except KafkaException as error:
            log.warning("cycle.failed", error=error.args[0].name())
        except click.ClickException as error:  # reading a partition does not reach its end
            log.warning("cycle.failed", error=error.message)
        stopping.wait(_LOOK_S)


def _tell(cycle: Cycle) -> None:
    if cycle.faults:
        log.error("audit.found", **{finding.value: count for finding, count in cycle.faults.items()})
    for finding, example in cycle.examples[:_MOST_LINES]:
        fields: dict[str, Any] = {name: getattr(example, name) for name in ("source", "at", "interaction_id", "why")}
        said = {name: value for name, value in fields.items() if value is not None}
        log.error("audit.example", finding=finding.value, differs=list(example.fields), **said)
