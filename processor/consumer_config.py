"""librdkafka's consumer options: those that the guarantee requires, those for performance, and those given."""

from collections.abc import Mapping
from typing import Any, Final

CONFIG: Final[Mapping[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    # Nothing is fetched while a record waits here, and then all that has come meanwhile: a busy worker asks once
    # a batch, not for every few records that ingest writes to a partition. An idle worker waits at the broker.
    "queued.min.messages": 1,
    "fetch.queue.backoff.ms": 5,  # how soon it looks again whether one waits
    "max.partition.fetch.bytes": 4 << 20,  # of lz4, so that one partition alone fills a batch
    "fetch.max.bytes": 8 << 20,
    "fetch.wait.max.ms": 100,
    "fetch.error.backoff.ms": 50,  # each record of a batch that cannot be decompressed costs as much
    # A start waits for brokers, one after the other, and for its predecessor's transaction: look often at first.
    "reconnect.backoff.ms": 20,
    "retry.backoff.ms": 20,
    "statistics.interval.ms": 1000,
    "queued.max.messages.kbytes": 32768,
    "max.poll.interval.ms": 300_000,
}

_FETCH: Final = "fetch.max.bytes"
_MESSAGE: Final = "message.max.bytes"


def with_given(ours: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return our options with those given: librdkafka refuses a fetch that is smaller than the largest message."""
    config = {**ours, **given}
    if _FETCH not in given:
        config[_FETCH] = max(ours[_FETCH], int(config.get(_MESSAGE, 0)))
    return config
