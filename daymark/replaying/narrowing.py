"""Narrows a replay to one workspace: its first event in each partition, and how many of the range are its own.

Offsets know no workspaces: everything after a workspace's first event is read again, whoever sent it. So only the
beginning moves, and partitions without events of the workspace are left alone. Memory does not grow with the range.
"""

from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import Consumer

from daymark.auditing.raws import Raws
from daymark.auditing.records import raw
from daymark.bar import Bar
from daymark.replaying.plan import Plan
from daymark.replaying.start import Place


class Share(NamedTuple):
    """A workspace's part of a range: where it begins in each partition, its events, and those of others."""

    name: str
    firsts: Mapping[int, int]
    own: int
    others: int

    def starts(self) -> tuple[Place, ...]:
        """Return where a replay of this workspace begins."""
        return tuple(Place(partition, offset) for partition, offset in self.firsts.items())


def share(consumer: Consumer, raws: Raws, planned: Plan, name: str, bar: Bar) -> Share:
    """Return a workspace's part of what a plan would watch.

    Args:
        consumer: made with `reading.CONFIG`.
        raws: the topics of raw events.
        planned: for all workspaces.
        name: the workspace.
        bar: shows progress.

    Raises:
        KafkaException: the topic cannot be read.
    """
    wanted = {number: (part.target, part.goal) for number, part in planned.moved.items() if part.target is not None}
    bar.expect(sum(upto - first for first, upto in wanted.values()))
    firsts: dict[int, int] = {}
    own = others = 0
    for some in raws.records(consumer, wanted):
        for message in some.messages:
            event = raw(message, some.base)
            if event.workspace != name:
                others += 1
                continue
            own += 1
            firsts.setdefault(event.partition, event.offset)
        bar.advance(f"Reading {some.topic}", len(some.messages))
    return Share(name, firsts, own, others)
