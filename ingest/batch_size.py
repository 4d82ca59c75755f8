"""The size of the producer's batches: as large as its topics allow, and smaller if Kafka refuses them anyway. Pure."""

from collections.abc import Callable, Iterable

from schemas.topics import LEAST_BATCH_BYTES, batch_bytes

Limits = Callable[[], Iterable[int]]
"""Asks for the `max.message.bytes` of topics, of those that are known."""


class BatchSize:
    """A `batch.size`. `is_doubtful`: the topics' limits must be read, at the start and after a refusal."""

    def __init__(self, most: int) -> None:
        self.bytes = most
        self.is_doubtful = True
        self._is_refused = False

    def refuse(self) -> None:
        """Note that Kafka refused a batch as too large."""
        self.is_doubtful = self._is_refused = True

    def settle(self, limits: Iterable[int]) -> bool:
        """Take the limits that are known, or halve if they explain no refusal; return whether it is smaller."""
        before, fitting = self.bytes, batch_bytes(limits, self.bytes)
        if self._is_refused and fitting == before:
            fitting = max(LEAST_BATCH_BYTES, before // 2)
        self.bytes = min(before, fitting)
        self.is_doubtful = self._is_refused = False
        return self.bytes < before
