"""Measures how fast a group's workers would process a replay, by `rate`'s rules. Changes nothing."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from confluent_kafka import Consumer

from daymark.auditing.raws import Raws
from daymark.figures.scrape import addresses, scrapes
from daymark.replaying.plan import Plan
from daymark.replaying.rate import Progress, Rate, of_benchmark, of_group, of_workers
from daymark.sizing import measured

_LOOK_S: Final = 3.0  # several transactions of 10,000 records


def measure(consumer: Consumer, raws: Raws, planned: Plan, urls: Sequence[str], workers: Callable[[], int]) -> Rate:
    """Return a group's rate; takes some seconds where the group is behind, or a worker does not answer.

    Args:
        consumer: of the group, not a member.
        raws: the topics of raw events.
        planned: as it was a moment ago.
        urls: the metrics of its workers, perhaps of other parts, too; `dns+HOST:PORT` for each address of a name.
        workers: returns the number of the group's members.

    Raises:
        KafkaException: Kafka does not answer.
    """
    stood = {part.partition: (part.stands, part.end) for part in planned.parts if part.stands is not None}
    if any(before < end for before, end in stood.values()):
        began = time.monotonic()
        time.sleep(_LOOK_S)
        stands = raws.committed(consumer)
        parts = [Progress(before, stands[number] or before, end) for number, (before, end) in stood.items()]
        if (rate := of_group(parts, time.monotonic() - began)) is not None:
            return rate
    if urls and (rate := of_workers(scrapes(addresses(urls)))) is not None:
        return rate
    return of_benchmark(measured.read().worker_property_per_s, workers())
