"""Every metric of ingest: name, kind, labels and meaning in one place. docs/operations.md lists them.

No label contains anything about a contact; a workspace is named only where its own limits caused a refusal.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.utils import floatToGoString

from ingest import answers
from ingest.http.response import Response

ACCEPTED, FAILED = "accepted", "failed"

# From a broker next door to the five seconds that are promised.
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 4, 5)


class Metrics:
    """The metrics of one process. What is counted per request is plain numbers by labels, converted on each scrape."""

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
        self.requests_in_flight = self._gauge("daymark_ingest_requests_in_flight", "Requests in progress")
        self.bytes_in_flight = self._gauge(
            "daymark_ingest_bytes_in_flight", "Bytes of the bodies held by requests in progress"
        )
        self.connections = self._gauge("daymark_ingest_connections", "Open connections to the API")
        self.queue_messages = self._gauge(
            "daymark_ingest_queue_messages",
            "Messages handed to the producer and not yet acknowledged, and those reserved for batches being read",
        )
        self.queue_bytes = self._gauge(
            "daymark_ingest_queue_bytes", "Bytes of the keys and values in the producer queue"
        )
        self.kafka_up = self._gauge("daymark_ingest_kafka_up", "1 while Kafka answers and has the topics")
        self.workspaces_refused = self._gauge(
            "daymark_ingest_workspaces_refused",
            "1 while the workspaces file is invalid and the previous one stays in force: alert",
        )
        self.build = self._gauge(
            "daymark_build_info",
            "Always 1; its labels say what is running: the versions of Daymark, Python, librdkafka and the tz database",
            ["version", "python", "librdkafka", "time_zones"],
        )

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

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted, as prometheus-client's collectors do."""
        yield _counter(
            "daymark_ingest_requests",
            "Requests answered, by HTTP status and, where refused, code",
            ["status", "code"],
            self.requests,
        )
        yield _counter(
            "daymark_ingest_events",
            "Events with a valid key: accepted (acknowledged by Kafka), failed (answered 503), or the rejection reason",
            ["result"],
            self.events,
        )
        yield _counter(
            "daymark_ingest_limited_requests",
            "Requests refused for their workspace's load: rate_limited (over its rate), overloaded (no free capacity)",
            ["workspace", "code"],
            self.limited,
        )
        yield CounterMetricFamily(
            "daymark_ingest_request_bytes", "Request bodies received, in bytes on the wire", self.request_bytes
        )
        yield _counter(
            "daymark_ingest_delivery_failures",
            "Messages that Kafka did not acknowledge, by librdkafka error name",
            ["error"],
            self.delivery_failures,
        )
        yield CounterMetricFamily(
            "daymark_ingest_rejections_dropped",
            "Rejected events not recorded in segment.rejected, because the producer queue was full",
            self.rejections_dropped,
        )
        yield HistogramMetricFamily(
            "daymark_ingest_request_seconds",
            "Time from a request's first byte to its response",
            [*zip((*map(floatToGoString, _BUCKETS), "+Inf"), accumulate(self._times), strict=True)],
            self._seconds,
        )

    def _gauge(self, name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)


def _counter(name: str, meaning: str, labels: Sequence[str], counted: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, meaning, labels=labels)
    for of, count in counted.items():
        family.add_metric([str(label) for label in of], count)
    return family
