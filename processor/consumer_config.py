"""librdkafka's consumer options: those that the guarantee requires, those for performance, and those given."""

from collections.abc import Mapping
from typing import Any, Final

CONFIG: Final[Mapping[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    "fetch.queue.backoff.ms": 20,  # the default, 1000, stalls a partition whenever its queue is full
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
    if _FETCH in ours and _FETCH not in given:
        config[_FETCH] = max(ours[_FETCH], int(config.get(_MESSAGE, 0)))
    return config
