"""What ingest counts: every metric's name, kind, unit, labels and meaning, in one table.

README's table is made from it. No label says anything of a contact; a workspace is named only where its own limits
refused something.
"""

import collections
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from ingest import answers


class Metric(NamedTuple):
    """One metric, as Prometheus shows it."""

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    help: str


REQUESTS = Metric(
    "daymark_ingest_requests_total",
    "counter",
    "requests",
    ("status", "code"),
    "Requests answered, by HTTP status and, where refused, code",
)
EVENTS = Metric(
    "daymark_ingest_events_total",
    "counter",
    "events",
    ("result",),
    "Events with a valid key: accepted (acknowledged by Kafka), failed (answered 503), or the reason of a rejection",
)
LIMITED = Metric(
    "daymark_ingest_limited_requests_total",
    "counter",
    "requests",
    ("workspace", "code"),
    "Requests refused for their workspace's own sake: rate_limited (over its rate), overloaded (it takes what is free)",
)
REQUEST_BYTES = Metric(
    "daymark_ingest_request_bytes_total", "counter", "bytes", (), "Bodies received, as they came over the wire"
)
REQUEST_SECONDS = Metric(
    "daymark_ingest_request_seconds", "histogram", "seconds", (), "From a request's first byte to its answer"
)
REQUESTS_IN_FLIGHT = Metric("daymark_ingest_requests_in_flight", "gauge", "requests", (), "Requests being worked on")
BYTES_IN_FLIGHT = Metric("daymark_ingest_bytes_in_flight", "gauge", "bytes", (), "Bodies held by those requests")
CONNECTIONS = Metric("daymark_ingest_connections", "gauge", "connections", (), "Open connections to the API")
QUEUE_MESSAGES = Metric(
    "daymark_ingest_queue_messages", "gauge", "messages", (), "Messages handed to the producer, not yet acknowledged"
)
QUEUE_BYTES = Metric("daymark_ingest_queue_bytes", "gauge", "bytes", (), "Their keys and values")
DELIVERY_FAILURES = Metric(
    "daymark_ingest_delivery_failures_total",
    "counter",
    "messages",
    ("error",),
    "Messages that Kafka did not acknowledge, by librdkafka's name of the error",
)
REJECTIONS_DROPPED = Metric(
    "daymark_ingest_rejections_dropped_total",
    "counter",
    "messages",
    (),
    "Rejected events not recorded in segment.rejected, because the producer had no room",
)
KAFKA_UP = Metric("daymark_ingest_kafka_up", "gauge", "bool", (), "1: Kafka answers and has the topics")
WORKSPACES_REFUSED = Metric(
    "daymark_ingest_workspaces_refused",
    "gauge",
    "bool",
    (),
    "1 while the workspaces file cannot be read and the one before it stands: alert",
)

TABLE: Final = (
    REQUESTS,
    EVENTS,
    LIMITED,
    REQUEST_BYTES,
    REQUEST_SECONDS,
    REQUESTS_IN_FLIGHT,
    BYTES_IN_FLIGHT,
    CONNECTIONS,
    QUEUE_MESSAGES,
    QUEUE_BYTES,
    DELIVERY_FAILURES,
    REJECTIONS_DROPPED,
    KAFKA_UP,
    WORKSPACES_REFUSED,
)

ACCEPTED, FAILED = "accepted", "failed"

# From a broker next door to the five seconds that are promised.
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 4, 5)


class Metrics:
    """The metrics of one process. `events` maps a result to its counter; `answered` counts requests."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # twice the lines, and no one asks when a counter was made
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._refused: collections.Counter[str] = collections.Counter()
        requests, events = self._counter(REQUESTS), self._counter(EVENTS)
        outcomes = [(200, ""), (204, ""), *((refusal.status, refusal.code) for refusal in answers.TABLE)]
        self._requests = {(status, code): requests.labels(str(status), code) for status, code in outcomes}
        self._unusual_requests = requests
        self.events = {result: events.labels(result) for result in (ACCEPTED, FAILED, *answers.REASONS)}
        self.limited = self._counter(LIMITED)
        self.request_bytes = self._counter(REQUEST_BYTES)
        self._request_seconds = Histogram(
            REQUEST_SECONDS.name, REQUEST_SECONDS.help, registry=self.registry, buckets=_BUCKETS
        )
        self.requests_in_flight = self._gauge(REQUESTS_IN_FLIGHT)
        self.bytes_in_flight = self._gauge(BYTES_IN_FLIGHT)
        self.connections = self._gauge(CONNECTIONS)
        self.queue_messages = self._gauge(QUEUE_MESSAGES)
        self.queue_bytes = self._gauge(QUEUE_BYTES)
        self.delivery_failures = self._counter(DELIVERY_FAILURES)
        self.rejections_dropped = self._counter(REJECTIONS_DROPPED)
        self.kafka_up = self._gauge(KAFKA_UP)
        self.workspaces_refused = self._gauge(WORKSPACES_REFUSED)

    def answered(self, status: int, code: str, seconds: float) -> None:
        """Count an answer."""
        counter = self._requests.get((status, code)) or self._unusual_requests.labels(str(status), code)
        counter.inc()
        self._request_seconds.observe(seconds)
        if code:
            self._refused[code] += 1

    def refused(self) -> dict[str, int]:
        """Return how many requests were refused since this was last asked, by code."""
        refused, self._refused = dict(self._refused), collections.Counter()
        return refused

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
