"""A consumer as librdkafka has it: a member of a group, told of its partitions while it is polled.

Its calls are those that `processor.source` and the parts below it make. Known traits, kept: the metadata of the group
are those of the driver at this moment, and blank once it knows that it is lost; records of a partition that is revoked
while a call gathers records stay in what that call returns.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import TopicPartition

from tests.world.client import failed
from tests.world.cluster import Cluster
from tests.world.kernel import Process
from tests.world.member import Change, Member
from tests.world.reader import Message, WorldReader, numbered
from tests.world.requests import Membership, OffsetCommit, Refused


class WorldConsumer(WorldReader):
    """The part of confluent_kafka.Consumer that a worker uses."""

    def __init__(self, config: Mapping[str, Any], process: Process, cluster: Cluster, topic: str) -> None:
        super().__init__(config, process, cluster, topic, base=0)
        self.member = Member(self._client, config, lambda: cluster.partitions, self._tell)
        self._changes: deque[Change] = deque()
        self._has_assigned = False
        self._is_closed = False

    def subscribe(self, _topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        """Join the group."""
        self._callbacks = callbacks
        self.member.start()

    def consume(self, most: int, timeout: float) -> list[Message]:
        """Return up to so many records within some seconds, and tell of partitions."""
        self.member.polled_s = self._kernel.now
        return super().consume(most, timeout)

    def consumer_group_metadata(self) -> Membership:
        """Return what the driver knows of its membership now."""
        return self.member.membership

    def memberid(self) -> str:
        """Return the member's id; empty: it is none."""
        return self.member.membership.member

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Have exactly these."""
        self._has_assigned = True
        self._drop(frozenset(self._toppars))
        self._add(self._numbers(partitions))

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Have these, too."""
        self._has_assigned = True
        self._add(self._numbers(partitions))

    def commit(self, offsets: Sequence[TopicPartition], **_: Any) -> None:
        """Commit offsets outside of any transaction."""
        found = {numbered(there): there.offset for there in offsets}
        try:
            self._client.ask(OffsetCommit(self.member.membership, found))
        except Refused as refused:
            raise failed(refused.code) from refused

    def close(self) -> None:
        """Let go of everything, and leave the group."""
        if not self._is_closed:
            self._is_closed = True
            if self._toppars and self.member.fatal is None:
                self._apply(Change("revoke", frozenset(self._toppars)))
            self.member.leave()
            super().close()

    # Partitions.

    def _tell(self, change: Change) -> None:
        self._changes.append(change)
        self._kernel.set(self._something)

    def _fatal(self) -> str | None:
        return self.member.fatal

    def _state(self) -> str:
        return self.member.state

    def _serve(self) -> None:
        while self._changes:
            change = self._changes.popleft()
            self._apply(change)
            self._kernel.set(change.done)

    def _apply(self, change: Change) -> None:
        places = [TopicPartition(self._topic, partition) for partition in sorted(change.partitions)]
        if change.kind == "assign":
            self._has_assigned = False
            self._callbacks["on_assign"](self, places)
            if not self._has_assigned:
                self._add(change.partitions)
            return
        self._callbacks["on_lost" if change.kind == "lost" else "on_revoke"](self, places)
        self._drop(change.partitions)

    def _add(self, partitions: frozenset[int]) -> None:
        for partition in sorted(partitions):
            self._begin_at(partition, -1)
