"""Every metric of ingest: name, kind, unit, labels and meaning, in one table, which docs/operations.md shows.

No label contains anything about a contact; a workspace is named only where its own limits caused a refusal.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.utils import floatToGoString

from ingest import answers
from ingest.http.response import Response


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
    "Events with a valid key: accepted (acknowledged by Kafka), failed (answered 503), or the rejection reason",
)
LIMITED = Metric(
    "daymark_ingest_limited_requests_total",
    "counter",
    "requests",
    ("workspace", "code"),
    "Requests refused for their workspace's load: rate_limited (over its rate), overloaded (no free capacity)",
)
REQUEST_BYTES = Metric(
    "daymark_ingest_request_bytes_total", "counter", "bytes", (), "Request bodies received, in bytes on the wire"
)
REQUEST_SECONDS = Metric(
    "daymark_ingest_request_seconds", "histogram", "seconds", (), "Time from a request's first byte to its response"
)
REQUESTS_IN_FLIGHT = Metric("daymark_ingest_requests_in_flight", "gauge", "requests", (), "Requests in progress")
BYTES_IN_FLIGHT = Metric(
    "daymark_ingest_bytes_in_flight", "gauge", "bytes", (), "Bytes of the bodies held by those requests"
)
CONNECTIONS = Metric("daymark_ingest_connections", "gauge", "connections", (), "Open connections to the API")
QUEUE_MESSAGES = Metric(
    "daymark_ingest_queue_messages",
    "gauge",
    "messages",
    (),
    "Messages handed to the producer and not yet acknowledged, and those reserved for batches being read",
)
QUEUE_BYTES = Metric(
    "daymark_ingest_queue_bytes", "gauge", "bytes", (), "Bytes of the keys and values of those messages"
)
DELIVERY_FAILURES = Metric(
    "daymark_ingest_delivery_failures_total",
    "counter",
    "messages",
    ("error",),
    "Messages that Kafka did not acknowledge, by librdkafka error name",
)
REJECTIONS_DROPPED = Metric(
    "daymark_ingest_rejections_dropped_total",
    "counter",
    "messages",
    (),
    "Rejected events not recorded in segment.rejected, because the producer queue was full",
)
KAFKA_UP = Metric("daymark_ingest_kafka_up", "gauge", "bool", (), "1 while Kafka answers and has the topics")
WORKSPACES_REFUSED = Metric(
    "daymark_ingest_workspaces_refused",
    "gauge",
    "bool",
    (),
    "1 while the workspaces file is invalid and the previous one stays in force: alert",
)

BUILD = Metric(
    "daymark_build_info",
    "gauge",
    "info",
    ("version", "python", "librdkafka", "time_zones"),
    "Always 1; its labels say what is running: the versions of Daymark, Python, librdkafka and the tz database",
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
    BUILD,
)

ACCEPTED, FAILED = "accepted", "failed"

# From a broker next door to the five seconds that are promised.
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 4, 5)


class Metrics:
    """The metrics of one process. What is counted by request is plain numbers, by labels, until someone looks."""

    def __init__(self) -> None:
        outcomes = [(200, ""), (204, ""), *((refusal.status, refusal.code) for refusal in answers.TABLE)]
        results = [(result,) for result in (ACCEPTED, FAILED, *answers.REASONS)]
        self.requests: Counter[tuple[int, str]] = Counter(dict.fromkeys(outcomes, 0))
        self.events: Counter[tuple[str]] = Counter(dict.fromkeys(results, 0))
        self.limited: Counter[tuple[str, str]] = Counter()
        self.delivery_failures: Counter[tuple[str]] = Counter()
        self.request_bytes = self.rejections_dropped = 0
        self._times, self._seconds = [0] * (len(_BUCKETS) + 1), 0.0
        self._reported: dict[str, int] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.requests_in_flight = self._gauge(REQUESTS_IN_FLIGHT)
        self.bytes_in_flight = self._gauge(BYTES_IN_FLIGHT)
        self.connections = self._gauge(CONNECTIONS)
        self.queue_messages = self._gauge(QUEUE_MESSAGES)
        self.queue_bytes = self._gauge(QUEUE_BYTES)
        self.kafka_up = self._gauge(KAFKA_UP)
        self.workspaces_refused = self._gauge(WORKSPACES_REFUSED)
        self.build = self._gauge(BUILD)

    def answered(self, answer: Response, seconds: float, received: int) -> None:
        """Count an answer: how long it took, and the bytes of the request's body."""
        self.requests[answer.status, answer.code] += 1
        self.request_bytes += received
        self._times[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds += seconds

    def refused(self) -> dict[str, int]:
        """Return how many requests were refused since this was last asked, by code."""
        before, self._reported = self._reported, {code: count for (_, code), count in self.requests.items() if code}
        since = {code: count - before.get(code, 0) for code, count in self._reported.items()}
        return {code: count for code, count in since.items() if count}

    def collect(self) -> Iterator[PrometheusMetric]:
        """Yield what was counted, as prometheus-client's collectors do."""
        yield _counter(REQUESTS, self.requests)
        yield _counter(EVENTS, self.events)
        yield _counter(LIMITED, self.limited)
        yield _counter(REQUEST_BYTES, {(): self.request_bytes})
        yield _counter(DELIVERY_FAILURES, self.delivery_failures)
        yield _counter(REJECTIONS_DROPPED, {(): self.rejections_dropped})
        buckets = [*zip((*map(floatToGoString, _BUCKETS), "+Inf"), accumulate(self._times), strict=True)]
        yield HistogramMetricFamily(REQUEST_SECONDS.name, REQUEST_SECONDS.help, buckets, self._seconds)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)


def _counter(metric: Metric, counted: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, count in counted.items():
        family.add_metric([str(label) for label in labels], count)
    return family
