"""What all requests of one process share: rules, quotas, rate limits, the delivery, counters. Decides nothing."""

import asyncio
from dataclasses import dataclass
from typing import Final

from ingest import answers
from ingest.delivery import Delivery
from ingest.keys import Keys
from ingest.metrics import Metrics
from ingest.openapi import MOST_EVENTS
from ingest.quota import Quota
from ingest.rate import Buckets
from ingest.slices import Slices
from schemas import avro

# Sixteen of the largest requests, or 5,000 small ones. A process holds this twice at most, here and in Kafka's queue,
# and a batch that is being taken apart.
MOST_REQUESTS: Final = 5_000
MOST_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rules:
    """The API's configuration.

    The longest request in bytes and in events, how many processes share a workspace's rate, the origins of browsers
    that may call it, the request headers that those may send besides the usual ones, how rejections are written.
    """

    request_limit_bytes: int = 4 * 1024 * 1024
    request_limit_events: int = MOST_EVENTS
    processes: int = 1
    allowed_origins: tuple[str, ...] = ()
    allowed_headers: tuple[str, ...] = ()
    rejected: avro.Codec = avro.REJECTED


class Resources:
    """The resources of one process, made within its event loop.

    Args:
        delivery: of records to Kafka.
        rules: of the API.
        metrics: to count in.
        quota: of requests and of their bytes; by default as much as the constants and the rules say.
        buckets: the workspaces' rate limits; by default full.
    """

    def __init__(
        self, delivery: Delivery, rules: Rules, metrics: Metrics, quota: Quota | None, buckets: Buckets | None
    ) -> None:
        self.delivery, self.rules, self.metrics = delivery, rules, metrics
        self.quota = quota or Quota(MOST_REQUESTS, max(MOST_BYTES, 4 * rules.request_limit_bytes))
        self.buckets = buckets or Buckets(rules.processes)
        self.keys, self.slices = Keys(), Slices()
        loop = asyncio.get_running_loop()
        self.now, self.call_soon = loop.time, loop.call_soon
        self.too_large = answers.too_large(rules.request_limit_bytes, rules.request_limit_events)
        metrics.requests_in_flight.set_function(lambda: self.quota.count)
        metrics.bytes_in_flight.set_function(lambda: self.quota.size)
