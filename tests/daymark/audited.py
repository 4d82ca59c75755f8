"""Records of a small made-up Daymark, right or tampered with, and what an audit must find in them: the slow, plain way.

Everything is looked at in memory, by comparing whole records; the audit itself works on facts in files.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from confluent_kafka import Message

from daymark.auditing.findings import Finding
from daymark.auditing.reach import Reach, Where
from schemas import avro
from schemas.interaction import interaction_id
from schemas.timestamps import MILLISECONDS_A_DAY
from schemas.topics import Topics

TOPICS = Topics()
WORKSPACE = "w"
RECEIVED_MS = 1_600_000_000_000
DAY = 18_000  # 2019-04-14


class Event(NamedTuple):
    """A raw record: an identify of a contact at a minute of a day that sets a property, or none; or nonsense."""

    partition: int
    offset: int
    contact: int
    day: int
    minute: int
    value: bool | int | None
    is_valid: bool

    @property
    def email(self) -> str:
        return f"contact-{self.contact}@example.org"

    @property
    def timestamp_ms(self) -> int:
        return (DAY + self.day) * MILLISECONDS_A_DAY + self.minute * 60_000

    @property
    def identity(self) -> str:
        return interaction_id(WORKSPACE, self.email, DAY + self.day)

    @property
    def body(self) -> bytes:
        if not self.is_valid:
            return b"nonsense"
        traits: dict[str, Any] = {"email": self.email}
        event = {"type": "identify", "timestamp": self.timestamp_ms, "traits": traits, "event": "visit"}
        if self.value is not None:
            traits["vip"] = self.value
            event["context"] = {"personas": {"computation_class": "trait", "computation_key": "vip"}}
        return json.dumps(event).encode()

    def raw(self) -> Message:
        headers = [("workspace", WORKSPACE.encode()), ("received_at", str(RECEIVED_MS).encode())]
        return message(TOPICS.events, (self.partition, self.offset), self.email.encode(), self.body, headers)

    def interaction(self) -> dict[str, Any]:
        return {
            "interaction_id": self.identity,
            "workspace": WORKSPACE,
            "email": self.email,
            "day": DAY + self.day,
            "timestamp": self.timestamp_ms,
            "description": "visit",
            "described_by": "event",
            "url": None,
            "event": "visit",
            "message_id": None,
            "received_at": RECEIVED_MS,
            "source_partition": self.partition,
            "source_offset": self.offset,
        }

    def rejection(self) -> dict[str, Any]:
        return {
            "reason": "malformed_json",
            "message": "The event is not valid JSON in UTF-8",
            "stage": "processor",
            "workspace": WORKSPACE,
            "raw": self.body,
            "received_at": RECEIVED_MS,
            "source_partition": self.partition,
            "source_offset": self.offset,
        }

    def trait(self) -> dict[str, Any]:
        return {
            "workspace": WORKSPACE,
            "email": self.email,
            "name": "vip",
            "value": self.value,
            "kind": "trait",
            "membership": None,
            "timestamp": self.timestamp_ms,
            "message_id": None,
            "received_at": RECEIVED_MS,
            "source_partition": self.partition,
            "source_offset": self.offset,
        }


class World(NamedTuple):
    """Raw events in the order of each partition, and the records of the output topics in the order of each."""

    events: list[Event]
    interactions: list[dict[str, Any]]
    rejections: list[dict[str, Any]]
    traits: list[dict[str, Any]]

    def outputs(self) -> Iterator[tuple[str, Message]]:
        """Yield every output record as Kafka gives it, with the name of what it is."""
        for at, fields in enumerate(self.interactions):
            key, value = fields["interaction_id"].encode(), avro.INTERACTION.encode(fields)
            yield "interaction", message(TOPICS.interactions, (fields["source_partition"], at), key, value)
        for at, fields in enumerate(self.rejections):
            contact = next((e.email for e in self.events if _at(fields) == (e.partition, e.offset)), "")
            yield "rejection", message(TOPICS.rejected, (0, at), contact.encode(), avro.REJECTED.encode(fields))
        for at, fields in enumerate(self.traits):
            key = json.dumps([fields["workspace"], fields["email"], fields["name"]], separators=(",", ":")).encode()
            yield "trait", message(TOPICS.traits, (fields["source_partition"], at), key, avro.TRAIT.encode(fields))


def right(events: list[Event]) -> World:
    """Return what a perfect processor makes of the events, partition by partition."""
    interactions: dict[str, dict[str, Any]] = {}
    newest: dict[str, int] = {}
    rejections, traits = [], []
    for event in sorted(events):
        if not event.is_valid:
            rejections.append(event.rejection())
            continue
        interactions.setdefault(event.identity, event.interaction())
        if event.value is not None and event.timestamp_ms >= newest.get(event.email, 0):
            newest[event.email] = event.timestamp_ms
            traits.append(event.trait())
    return World(events, [*interactions.values()], rejections, traits)


def expected(world: World, reach: Reach) -> Counter[Finding]:
    """Return how many of each finding there are, a replay being no fault."""
    found: Counter[Finding] = Counter()
    events = {(e.partition, e.offset): e for e in world.events if reach.where(e.partition, e.offset) is Where.WITHIN}
    for finding in (*_days(world, events), *_sources(world, events, reach), *_properties(world, events, reach)):
        found[finding] += 1
    return found


def _days(world: World, events: dict[tuple[int, int], Event]) -> Iterator[Finding]:
    for identity in {e.identity for e in events.values() if e.is_valid} | {
        i["interaction_id"] for i in world.interactions
    }:
        mine = _distinct(i for i in world.interactions if i["interaction_id"] == identity)
        places = [at for at, e in events.items() if e.is_valid and e.identity == identity]
        if not mine:
            yield Finding.LOST
        if len(mine) > 1:
            yield Finding.DOUBLED
        if mine and all(any(p == _at(i)[0] and o < _at(i)[1] for p, o in places) for i in mine):
            yield Finding.WRONG_WINNER


def _sources(world: World, events: dict[tuple[int, int], Event], reach: Reach) -> Iterator[Finding]:
    outside = {Where.BEFORE, Where.AFTER}
    for fields in _distinct(i for i in world.interactions if reach.where(*_at(i)) not in outside):
        event = events.get(_at(fields))
        if event is None or not event.is_valid:
            yield Finding.UNKNOWN
        elif fields["day"] != event.interaction()["day"]:
            yield Finding.WRONG_DAY
        elif fields != event.interaction():
            yield Finding.WRONG_CONTENT
    invalid = {at for at, event in events.items() if not event.is_valid}
    for at in invalid | {_at(r) for r in world.rejections if reach.where(*_at(r)) not in outside}:
        mine = _distinct(r for r in world.rejections if _at(r) == at)
        if at not in invalid:
            yield Finding.REJECTION_EXTRA
        elif not mine:
            yield Finding.REJECTION_MISSING
        if at in invalid and len(mine) > 1:
            yield Finding.REJECTION_DOUBLED
        if at in invalid and mine and events[at].rejection() not in mine:
            yield Finding.REJECTION_WRONG


def _properties(world: World, events: dict[tuple[int, int], Event], reach: Reach) -> Iterator[Finding]:
    sets = [e for e in events.values() if e.is_valid and e.value is not None]
    for email in {e.email for e in sets} | {t["email"] for t in world.traits}:
        changes = [e for e in sets if e.email == email]
        latest_ms = max((e.timestamp_ms for e in changes), default=-1)
        newest = {e.partition: e for e in sorted(changes) if e.timestamp_ms == latest_ms}
        lasts = {t["source_partition"]: t for t in world.traits if t["email"] == email}
        verdicts = [_last(t, newest, latest_ms, reach) for _, t in sorted(lasts.items())]
        if not lasts:
            yield Finding.TRAIT_MISSING
        elif None not in verdicts:
            yield from [verdict for verdict in verdicts if verdict is not None][:1]


def _last(trait: dict[str, Any], newest: dict[int, Event], latest_ms: int, reach: Reach) -> Finding | None:
    event, at_ms = newest.get(trait["source_partition"]), trait["timestamp"]
    if event is not None and (event.partition, event.offset) == _at(trait):
        return None if event.trait() == trait and type(event.value) is type(trait["value"]) else Finding.TRAIT_WRONG
    match reach.where(*_at(trait)):
        case Where.BEFORE:
            return None if at_ms > latest_ms or (at_ms == latest_ms and event is None) else Finding.TRAIT_STALE
        case Where.AFTER:
            return None if at_ms >= latest_ms else Finding.TRAIT_STALE
        case Where.WITHIN:
            return Finding.TRAIT_STALE if newest else Finding.TRAIT_UNKNOWN
        case Where.NOWHERE:
            return Finding.TRAIT_UNKNOWN


def _distinct(records: Any) -> list[dict[str, Any]]:
    different: list[dict[str, Any]] = []
    for record in records:
        if record not in different:
            different.append(record)
    return different


def _at(fields: dict[str, Any]) -> tuple[int, int]:
    return fields["source_partition"], fields["source_offset"]


def message(topic: str, place: tuple[int, int], key: bytes, value: bytes | None, headers: Any = None) -> Message:
    partition, offset = place
    timestamp: Any = (1, RECEIVED_MS)
    return Message(topic, partition, offset, key, value, headers, None, timestamp)
