"""A contact's records in the output topics: the newest one under each of its keys. Writes nothing.

Every partition is read: after a change of their number a contact's records are in several. Memory holds one contact's
keys, however large the topics are.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple
from uuid import UUID

from confluent_kafka import Message

from daymark.auditing import reading
from daymark.auditing.records import ById, coordinates, output
from daymark.auditing.scope import Clients
from daymark.bar import Bar
from schemas import avro, lanes
from schemas.forgotten import Thing, next_event, property_identity
from schemas.topics import Topics

_PARTS_OF_A_KEY: Final = 3


class Holding(NamedTuple):
    """One of the contact's keys in a partition, its workspace, and the newest of its events.

    `next_event` is the offset after that event, `timestamp_ms` its timestamp; `records` counts the key's records.
    """

    thing: Thing
    partition: int
    key: bytes
    identity: bytes
    workspace: str
    next_event: int
    timestamp_ms: int
    records: int = 1
    is_backfilled: bool = False  # whether that event is one of segment.backfill

    def followed(self, later: "Holding") -> "Holding":
        """Return this key with a later record added."""
        later = later._replace(records=self.records + 1)
        if later.is_backfilled != self.is_backfilled:  # offsets of two topics: the newest event's counts
            is_older = later.timestamp_ms < self.timestamp_ms
            return self._replace(records=later.records) if is_older else later
        newest_ms = max(self.timestamp_ms, later.timestamp_ms)
        return later._replace(timestamp_ms=newest_ms, next_event=max(self.next_event, later.next_event))


class Holdings(NamedTuple):
    """All of the contact's keys, and the number of its records that could not be decoded."""

    held: Sequence[Holding]
    unreadable: int

    def of(self, thing: Thing) -> list[Holding]:
        """Return those of one kind."""
        return [each for each in self.held if each.thing is thing]


class Search:
    """Searches for one contact."""

    def __init__(
        self,
        clients: Clients,
        topics: Topics,
        partitions: Mapping[str, Sequence[int]],
        email: str,
        workspace: str | None = None,
        *,
        by_id: ById | None = None,
        bar: Bar | None = None,
    ) -> None:
        """Prepare.

        Args:
            clients: of one cluster.
            topics: their names.
            partitions: of each topic.
            email: of the contact, normalised.
            workspace: the only one to search; None: all.
            by_id: looks up a registry's schema.
            bar: shows progress.
        """
        self._clients, self._topics, self._partitions = clients, topics, partitions
        self._email, self._workspace = email, workspace
        self._by_id, self._bar, self._unreadable = by_id, bar or Bar(), 0

    def find(self) -> Holdings:
        """Return the contact's records up to the current ends of the topics, once no transaction is open.

        Raises:
            KafkaException: a topic cannot be read.
        """
        self._unreadable = 0
        held = [*self._held(self._topics.interactions, self._interaction)]
        held += self._held(self._topics.traits, self._property)
        return Holdings(held, self._unreadable)

    def _held(self, topic: str, read: Any) -> Iterator[Holding]:
        """Yield the contact's keys in a topic, by the last record of each, without those that end in a tombstone."""
        ends = reading.bounds(self._clients.uncommitted, topic, self._partitions[topic])
        self._bar.expect(sum(end - first for first, end in ends.values()))
        held: dict[tuple[int, bytes], Holding] = {}
        for batch in reading.records(self._clients.committed, topic, ends):
            for message in batch:
                key = coordinates(message)[0], _key(message)
                if message.value() is None:
                    held.pop(key, None)
                elif found := read(message, *key):
                    before = held.get(key)
                    held[key] = found if before is None else before.followed(found)
            self._bar.advance(f"Reading {topic}", len(batch))
        yield from held.values()

    def _interaction(self, message: Message, partition: int, key: bytes) -> Holding | None:
        if self._email.encode() not in (message.value() or b""):  # Avro writes text verbatim: this skips most records
            return None
        fields = self._fields(message, avro.INTERACTION)
        if fields is None or not self._is_meant(fields["workspace"], fields["email"]):
            return None
        return _holding(Thing.INTERACTION, partition, key, UUID(fields["interaction_id"]).bytes, fields)

    def _property(self, message: Message, partition: int, key: bytes) -> Holding | None:
        if not self._is_meant(*_named(key)):
            return None
        fields = self._fields(message, avro.TRAIT)
        if fields is None:
            fields = {"workspace": _named(key)[0], "source_offset": -1, "timestamp": 0}  # its key has the contact
        return _holding(Thing.PROPERTY, partition, key, property_identity(key), fields)

    def _is_meant(self, workspace: str | None, email: str | None) -> bool:
        return email == self._email and self._workspace in {None, workspace}

    def _fields(self, message: Message, codec: avro.Codec) -> dict[str, Any] | None:
        try:
            return output(message, codec, self._by_id).fields
        except avro.UnreadableValue:
            self._unreadable += 1
            return None


def _key(message: Message) -> bytes:
    key = message.key()
    return key.encode() if isinstance(key, str) else key or b""


def _named(key: bytes) -> tuple[str | None, str | None]:
    """Return the workspace and e-mail in a property's key."""
    with suppress(ValueError):
        parts = json.loads(key)
        if isinstance(parts, list) and len(parts) == _PARTS_OF_A_KEY:
            return parts[0], parts[1]
    return None, None


def _holding(thing: Thing, partition: int, key: bytes, identity: bytes, fields: Mapping[str, Any]) -> Holding:
    source = fields.get("source_partition", partition)
    upto, is_backfilled = next_event(source, fields["source_offset"]), lanes.is_backfill(source)
    told = fields["workspace"], upto, fields["timestamp"]
    return Holding(thing, partition, key, identity, *told, is_backfilled=is_backfilled)
