"""What should be in the topics, from the raw events alone, and what is: a quick check beside `daymark audit`.

Shares the reading of events with the product, not the deciding. Everything is read committed, from the first record to
the last one there is.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Message

from schemas import avro, segment
from schemas.headers import RECEIVED_AT, WORKSPACE
from schemas.identify import Identify
from schemas.interaction import interaction_id
from schemas.rejections import Rejection
from schemas.topics import Topics
from schemas.workspace import DEFAULT
from tests.committed import messages

_DAY_MS = 86_400_000
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

_Place = tuple[int, int]  # partition, offset
_ContactDay = tuple[str, str, int]


@dataclass
class Truth:
    """What the raw events say.

    Attributes:
        events: how many there are.
        firsts: the first record of each contact-day.
        rejected: the reason of each record that must be refused.
        newest: the newest change of each property, by its key in contact.traits: timestamp and place.
        message_ids: of each workspace's readable events.
    """

    events: int = 0
    firsts: dict[_ContactDay, _Place] = field(default_factory=dict)
    rejected: dict[_Place, str] = field(default_factory=dict)
    newest: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    message_ids: dict[str, set[str]] = field(default_factory=dict)

    def note(self, place: _Place, workspace: str, received_at_ms: int, body: bytes) -> None:
        """Take one raw record, in the order of its partition."""
        self.events += 1
        match segment.read(body, received_at_ms):
            case Rejection(reason=reason):
                self.rejected[place] = str(reason)
            case Identify() as found:
                self.firsts.setdefault((workspace, found.email, found.timestamp_ms // _DAY_MS), place)
                self.message_ids.setdefault(workspace, set()).add(found.message_id or "")
                for change in found.changes:
                    key = msgspec.json.encode((workspace, found.email, change.name))
                    mark = (found.timestamp_ms, *place)
                    self.newest[key] = max(self.newest.get(key, mark), mark)


class Finding(NamedTuple):
    """What an audit has found; all but the first three are 0 when the promise is kept.

    `doubled` counts records too many of a contact-day, `other_id` records whose id is not their contact-day's.
    """

    events: int
    contact_days: int
    rejections: int
    lost: int
    doubled: int
    wrong_winner: int
    unknown: int
    other_id: int
    rejections_wrong: int
    traits_wrong: int

    def is_clean(self, *, emptied: bool = False) -> bool:
        """Whether the promise is kept; where the store was emptied, that of ids alone."""
        if emptied:
            return not (self.lost or self.unknown or self.other_id or self.rejections_wrong)
        return not any(self[3:])


def compare(
    truth: Truth,
    interactions: Iterable[dict[str, Any]],
    rejections: Iterable[dict[str, Any]],
    traits: Iterable[tuple[bytes, _Place]],
) -> Finding:
    """Compare what should be with what is.

    Args:
        truth: from every raw record.
        interactions: records of timeline.interactions.
        rejections: records of segment.rejected.
        traits: key and source of each record of contact.traits, in the order of the topic.
    """
    counts: Counter[_ContactDay] = Counter()
    wrong_winner = other_id = 0
    for fields in interactions:
        contact_day = (fields["workspace"], fields["email"], fields["day"].toordinal() - _EPOCH_ORDINAL)
        counts[contact_day] += 1
        other_id += str(fields["interaction_id"]) != interaction_id(*contact_day)
        wrong_winner += truth.firsts.get(contact_day, _place(fields)) != _place(fields)
    refused = Counter((_place(fields), fields["reason"]) for fields in rejections if fields["stage"] == "processor")
    last = dict(traits)
    return Finding(
        truth.events,
        len(truth.firsts),
        len(truth.rejected),
        lost=len(truth.firsts.keys() - counts.keys()),
        doubled=sum(counts.values()) - len(counts),
        wrong_winner=wrong_winner,
        unknown=len(counts.keys() - truth.firsts.keys()),
        other_id=other_id,
        rejections_wrong=_differences(refused, Counter(truth.rejected.items())),
        traits_wrong=len({key: place for key, (_, *place) in truth.newest.items()}.keys() ^ last.keys())
        + sum(last[key] != (partition, offset) for key, (_, partition, offset) in truth.newest.items() if key in last),
    )


def judge(kafka: str, topics: Topics) -> tuple[Truth, Finding]:
    """Read all topics and compare."""
    truth = Truth()
    for message in messages(kafka, topics.events):
        headers: dict[str, bytes] = dict(message.headers() or ())  # type: ignore[arg-type]
        workspace = headers.get(WORKSPACE, DEFAULT.encode()).decode()
        received_at_ms = int(headers.get(RECEIVED_AT, message.timestamp()[1]))
        truth.note(_at(message), workspace, received_at_ms, bytes(message.value() or b""))
    finding = compare(
        truth,
        (_fields(message) for message in messages(kafka, topics.interactions)),
        (_fields(message) for message in messages(kafka, topics.rejected)),
        ((bytes(message.key() or b""), _place(_fields(message))) for message in messages(kafka, topics.traits)),
    )
    return truth, finding


def missing(truth: Truth, workspace: str, accepted: Sequence[str]) -> int:
    """Return how many of the message ids that were answered 200 are not in the topic."""
    return len(set(accepted) - truth.message_ids.get(workspace, set()))


def _fields(message: Message) -> dict[str, Any]:
    return avro.decode(bytes(message.value() or b""))[1]


def _at(message: Message) -> _Place:
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _place(fields: dict[str, Any]) -> _Place:
    return fields["source_partition"], fields["source_offset"]


def _differences(found: Counter[Any], wanted: Counter[Any]) -> int:
    return (found - wanted).total() + (wanted - found).total()
