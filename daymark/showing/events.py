"""Events of segment.events: the newest, and one at its place. Reads only what somebody looks at."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import date
from typing import Final, TypeVar

import click
from confluent_kafka import KafkaException, Message

from daymark.auditing import reading
from daymark.auditing.records import Raw, raw
from daymark.auditing.truth import Truth
from daymark.clients import Opened
from schemas import lanes, segment
from schemas.identify import Identify
from schemas.topics import Topics
from schemas.workspace import Workspaces
from timeline.web.sources import Event, Stretch, Unavailable

T = TypeVar("T")

_EPOCH: Final = date(1970, 1, 1).toordinal()
_EACH: Final = 25  # newest events of a partition
_SEARCHED: Final = 100_000  # events of a partition, among which those of a contact are looked for
_FRESH_S: Final = 0.4  # what one browser was told, another may be told too


class Events:
    """Reads with clients that are opened at the first look and again after a failure. For use by several threads."""

    def __init__(
        self,
        topics: Topics,
        opening: Callable[[], AbstractContextManager[Opened]],
        workspaces: Callable[[], Workspaces],
    ) -> None:
        """Prepare.

        Args:
            topics: their names.
            opening: opens clients of the cluster, as `clients.opened` does.
            workspaces: by which events are read.
        """
        self._topics, self._opening, self._workspaces = topics, opening, workspaces
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
        with self._lock:
            found = self._asking(lambda there: self._one(there, *lanes.parsed(place)))
        return None if found is None else _event(found, Truth(self._workspaces()))

    def near(self, workspace: str, email: str, place: str) -> Stretch:
        """Return a contact's events from one of them on, of those that came within a bounded number of events after it.

        Raises:
            Unavailable: Kafka cannot be read.
        """
        return self._of(workspace, email, *lanes.parsed(place))

    def latest(self, workspace: str, email: str, place: str) -> Stretch:
        """Return a contact's events among the newest of the partition of one of them.

        Raises:
            Unavailable: Kafka cannot be read.
        """
        return self._of(workspace, email, lanes.parsed(place)[0], None)

    def _of(self, workspace: str, email: str, partition: int, since: int | None) -> Stretch:
        with self._lock:
            found, is_whole = self._asking(lambda there: self._searched(there, email.encode(), partition, since))
        truth = Truth(self._workspaces())
        events = (_event(each, truth) for each in found if each.workspace == workspace)
        return Stretch(sorted((each for each in events if each.email == email), key=lambda each: each.at_ms), is_whole)

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
        consumer, topic = there.clients.committed, self._topics.events
        ends = reading.bounds(consumer, topic, there.partitions[topic])
        if any(end < self._read_to.get(number, 0) for number, (_, end) in ends.items()):
            self._newest, self._read_to = {}, {}  # the topic was made anew
        wanted = {
            number: (max(first, end - _EACH, self._read_to.get(number, 0)), end)
            for number, (first, end) in ends.items()
        }
        for batch in reading.records(consumer, topic, wanted):
            for message in batch:
                found = raw(message)
                self._newest.setdefault(found.partition, deque(maxlen=_EACH)).append(found)
        self._read_to = {number: end for number, (_, end) in ends.items()}

    def _one(self, there: Opened, partition: int, offset: int) -> Raw | None:
        own, (topic, base) = lanes.own(partition), self._lane(partition)
        if own not in there.partitions.get(topic, ()):
            return None
        consumer = there.clients.committed
        first, end = reading.bounds(consumer, topic, [own])[own]
        if not first <= offset < end:
            return None
        for batch in reading.records(consumer, topic, {own: (offset, offset + 1)}):
            for message in batch:
                found = raw(message, base)
                if found.offset == offset:
                    return found
        return None

    def _searched(self, there: Opened, email: bytes, partition: int, since: int | None) -> tuple[list[Raw], bool]:
        """Return what may be a contact's events, of both lanes, and whether all that there is was looked at."""
        consumer, own = there.clients.committed, lanes.own(partition)
        found, is_whole = [], True
        for number in (own, lanes.BACKFILL + own):
            topic, base = self._lane(number)
            if own not in there.partitions.get(topic, ()):
                continue
            first, end = reading.bounds(consumer, topic, [own])[own]
            begin = max(first, end - _SEARCHED if since is None or number != partition else since)
            upto = min(end, begin + _SEARCHED)
            is_whole &= upto == end and (begin == first or (number == partition and since is not None))
            for batch in reading.records(consumer, topic, {own: (begin, upto)}):
                found += [raw(each, base) for each in batch if _can_be(email, each)]
        return found, is_whole

    def _lane(self, partition: int) -> tuple[str, int]:
        """Return the topic of a partition's number, and the number of its partition 0."""
        is_backfill = lanes.is_backfill(partition)
        return (self._topics.backfill, lanes.BACKFILL) if is_backfill else (self._topics.events, 0)


def _can_be(email: bytes, message: Message) -> bool:
    """Whether an event may be a contact's, without reading it: its key or its text says so."""
    return message.key() == email or email in (message.value() or b"").lower()


def _came(found: Raw) -> int:
    return found.appended_ms if found.received_at_ms is None else found.received_at_ms


def _event(found: Raw, truth: Truth) -> Event:
    read = truth.read(found)
    source = lanes.place(found.partition, found.offset)
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
