"""Events of segment.events: the newest, and one at its place. Reads only what somebody looks at."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import date
from typing import Final, TypeVar

import click
from confluent_kafka import KafkaException

from daymark.auditing import reading
from daymark.auditing.records import Raw, raw
from daymark.auditing.truth import Truth
from daymark.clients import Opened
from schemas import segment
from schemas.identify import Identify
from schemas.workspace import Workspaces
from timeline.web.sources import Event, Unavailable

T = TypeVar("T")

_EPOCH: Final = date(1970, 1, 1).toordinal()
_EACH: Final = 25  # newest events of a partition
_FRESH_S: Final = 0.4  # what one browser was told, another may be told too


class Events:
    """Reads with clients that are opened at the first look and again after a failure. For use by several threads."""

    def __init__(
        self, topic: str, opening: Callable[[], AbstractContextManager[Opened]], workspaces: Callable[[], Workspaces]
    ) -> None:
        """Prepare.

        Args:
            topic: of raw events.
            opening: opens clients of the cluster, as `clients.opened` does.
            workspaces: by which events are read.
        """
        self._topic, self._opening, self._workspaces = topic, opening, workspaces
        self._lock, self._stack = threading.Lock(), ExitStack()
        self._there: Opened | None = None
        self._read_to: dict[int, int] = {}
        self._newest: dict[int, deque[Raw]] = {}
        self._looked_at = 0.0

    def close(self) -> None:
        """Close the clients."""
        with self._lock:
            self._forget()

    def newest(self, most: int) -> list[Event]:
        """Return the newest events, at most so many and so many of a partition, the newest first.

        Raises:
            Unavailable: Kafka cannot be read.
        """
        with self._lock:
            if time.monotonic() - self._looked_at > _FRESH_S:
                self._asking(self._look)
                self._looked_at = time.monotonic()
            found = sorted((each for kept in self._newest.values() for each in kept), key=_came, reverse=True)
        truth = Truth(self._workspaces())
        return [_event(each, truth) for each in found[:most]]

    def at(self, place: str) -> Event | None:
        """Return the event at a partition:offset; None: there is none.

        Raises:
            Unavailable: Kafka cannot be read.
        """
        partition, _, offset = place.partition(":")
        with self._lock:
            found = self._asking(lambda there: self._one(there, int(partition), int(offset)))
        return None if found is None else _event(found, Truth(self._workspaces()))

    def _asking(self, ask: Callable[[Opened], T]) -> T:
        try:
            if self._there is None:
                self._there = self._stack.enter_context(self._opening())
            return ask(self._there)
        except click.ClickException as error:
            self._forget()
            raise Unavailable(f"Events cannot be read: {error.message}") from None
        except KafkaException as error:
            self._forget()
            raise Unavailable(f"Events cannot be read: {error.args[0].str()}") from None

    def _forget(self) -> None:
        self._stack.close()
        self._there = None

    def _look(self, there: Opened) -> None:
        consumer = there.clients.committed
        ends = reading.bounds(consumer, self._topic, there.partitions[self._topic])
        if any(end < self._read_to.get(number, 0) for number, (_, end) in ends.items()):
            self._newest, self._read_to = {}, {}  # the topic was made anew
        wanted = {
            number: (max(first, end - _EACH, self._read_to.get(number, 0)), end)
            for number, (first, end) in ends.items()
        }
        for batch in reading.records(consumer, self._topic, wanted):
            for message in batch:
                found = raw(message)
                self._newest.setdefault(found.partition, deque(maxlen=_EACH)).append(found)
        self._read_to = {number: end for number, (_, end) in ends.items()}

    def _one(self, there: Opened, partition: int, offset: int) -> Raw | None:
        if partition not in there.partitions[self._topic]:
            return None
        consumer = there.clients.committed
        first, end = reading.bounds(consumer, self._topic, [partition])[partition]
        if not first <= offset < end:
            return None
        for batch in reading.records(consumer, self._topic, {partition: (offset, offset + 1)}):
            for message in batch:
                found = raw(message)
                if found.offset == offset:
                    return found
        return None


def _came(found: Raw) -> int:
    return found.appended_ms if found.received_at_ms is None else found.received_at_ms


def _event(found: Raw, truth: Truth) -> Event:
    read = truth.read(found)
    source = f"{found.partition}:{found.offset}"
    if not isinstance(read, Identify):
        return Event(source, _came(found), found.workspace, found.value, reason=str(read.reason), title=read.message)
    workspace = truth.workspace(found.workspace)
    identity, day = truth.contact_day(found, read)
    said = segment.describe(read, found.value, workspace)
    return Event(
        source,
        _came(found),
        found.workspace,
        found.value,
        read.email,
        read.message_id,
        read.timestamp_ms,
        date.fromordinal(day + _EPOCH),
        identity,
        said.event or said.url or workspace.standard_message,
    )
