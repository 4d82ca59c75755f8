"""Offset queries of a consumer: its group's committed offsets, and the ends of a log. Runs on the thread of `source`.

The third module here that imports confluent_kafka. Read-only.
"""

from collections.abc import Iterable
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from processor.errors import SessionLost
from schemas import lanes

_CALL_S: Final = 10.0
_MOMENT_S: Final = 0.5


class Offsets:
    """The offsets of one topic, as one consumer sees them. Its partitions have their numbers of `schemas.lanes`."""

    def __init__(self, consumer: Consumer, topic: str, base: int = 0) -> None:
        self._consumer, self._topic, self._base = consumer, topic, base
        self._member = consumer

    def ask(self, member: Consumer) -> None:
        """Ask a member of the group for its offsets: its coordinator is the one that knows it as such.

        A consumer that is no member may take another broker for the coordinator, one that was cut off from the cluster
        and does not know it: that would answer with offsets of then (DECISIONS.md, 52).
        """
        self._member = member

    def committed(self, partitions: Iterable[int], wait_s: float = _CALL_S) -> dict[int, int]:
        """Return the group's committed offsets, once no transaction changes them; OFFSET_BEGINNING where there is none.

        Raises:
            SessionLost: the broker does not answer.
        """
        asked = [TopicPartition(self._topic, lanes.own(partition)) for partition in sorted(partitions)]
        try:
            found = self._member.committed(asked, wait_s)
        except KafkaException as error:
            raise SessionLost(f"the committed offsets cannot be read: {error.args[0].str()}") from error
        if faults := [there.error.str() for there in found if there.error]:
            raise SessionLost(f"the committed offsets cannot be read: {faults[0]}")
        return {
            self._base + there.partition: there.offset if there.offset >= 0 else OFFSET_BEGINNING for there in found
        }

    def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """Return the offset after the last record of each partition; of those that are known within a moment."""
        asked = [TopicPartition(self._topic, lanes.own(partition), OFFSET_END) for partition in sorted(partitions)]
        try:
            found = self._consumer.offsets_for_times(asked, _MOMENT_S)
        except KafkaException:
            return {}
        return {self._base + there.partition: there.offset for there in found if not there.error and there.offset >= 0}

    def watermarks(self, partition: int, *, cached: bool) -> tuple[int, int]:
        """Return a partition's first offset and the one after its last; cached: of the last fetch, negative before it.

        Raises:
            SessionLost: the broker does not answer.
        """
        try:
            place = TopicPartition(self._topic, lanes.own(partition))
            found: Any = self._consumer.get_watermark_offsets(place, _CALL_S, cached=cached)  # None: no answer in time
        except KafkaException as error:
            raise SessionLost(
                f"the ends of partition {lanes.name(partition)} cannot be read: {error.args[0].str()}"
            ) from error
        if found is None and not cached:
            raise SessionLost(f"the ends of partition {lanes.name(partition)} cannot be read in time")
        low, high = found or (OFFSET_INVALID, OFFSET_INVALID)
        return low, high
