"""The reader over a topic in memory: whatever goes wrong, the store has each record once."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from schemas import avro
from schemas.topics import Topics
from tests.timeline.rows import TODAY
from timeline import store
from timeline.reading import Kinds, Reader
from timeline.records import Records
from timeline.source import KafkaDown, Record, Source, Span
from timeline.store import Store
from timeline.store.batches import Batch, Place
from timeline.store.writing import Moved, Writer

TOPICS = Topics()
KINDS = Kinds(TOPICS.interactions, TOPICS.traits, TOPICS.rejected)
DAY = TODAY.toordinal() - 719163
PETER = "peter@example.com"


class Kafka(Source):
    """Topics of one partition. `faults` are raised by what is asked next; after its records each says its end."""

    def __init__(self, stop: Event) -> None:
        self.logs: dict[str, list[Record | None]] = {name: [] for name in KINDS}
        self.ids = dict.fromkeys(KINDS, "first")
        self.firsts = dict.fromkeys(KINDS, 0)
        self.faults: deque[Callable[[], object]] = deque()
        self._at: dict[Place, int] = {}
        self._stop = stop

    def survey(self) -> dict[Place, Span]:
        return {(name, 0): Span(self.firsts[name], len(log), self.ids[name]) for name, log in self.logs.items()}

    def read_from(self, offsets: Mapping[Place, int]) -> None:
        self._at = dict(offsets)

    def take(self, most: int, wait_s: float) -> Iterator[Record]:
        if self.faults:
            self.faults.popleft()()
        (topic, partition), at = next(
            ((place, at) for place, at in self._at.items() if at < len(self.logs[place[0]])), (("", 0), 0)
        )
        if not topic:
            if not self.faults:
                self._stop.set()  # all is read
            return
        self._at[topic, partition] = min(at + 2, len(self.logs[topic]))
        yield from (record for record in self.logs[topic][at : at + 2] if record is not None)
        if self._at[topic, partition] == len(self.logs[topic]):
            yield Record((topic, partition), len(self.logs[topic]), is_end=True)

    def write(self, topic: str, key: bytes | None, value: bytes | None, *headers: tuple[str, bytes]) -> None:
        self.logs[topic].append(Record((topic, 0), len(self.logs[topic]), key, value, headers, 1_000_000))

    def interact(self, email: str, ago: int = 0, **fields: Any) -> None:
        identity = f"{email}-{ago}"
        row = {"interaction_id": identity, "workspace": "demo", "email": email, "day": DAY - ago, "timestamp": 1}
        row |= {"description": "Contact visited your website", "source_partition": 0, "source_offset": 9} | fields
        encoded = avro.INTERACTION.encode(
            {**dict.fromkeys(("url", "event", "message_id", "received_at")), **row, "described_by": "standard"}
        )
        self.write(TOPICS.interactions, identity.encode(), encoded)


class Reading:
    """A store, a topic, and a reader that can be run until everything is read."""

    def __init__(self, there: Store) -> None:
        self.there, self.stop, self.now_ms = there, Event(), 0
        self.kafka, self.writer = Kafka(self.stop), Writer(there.url)

    def run(self) -> None:
        """Read everything, as a new process would."""
        self.stop.clear()
        self.stop.wait = lambda _=None: False  # type: ignore[method-assign, assignment]  # nobody sleeps
        reader = Reader(
            self.kafka, self.writer, Records(TOPICS, self.writer.keys), KINDS, clock=self.clock, stop=self.stop
        )
        reader.run()

    def clock(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def emails(self) -> list[str]:
        return [contact.email for contact in self.there.contacts.search("")]


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Reading]:
    with store.opened(f"sqlite:///{tmp_path}/timeline.db") as there:
        reading = Reading(there)
        yield reading
        reading.writer.close()


def test_every_kind_of_record_becomes_its_row(reading: Reading) -> None:
    kafka = reading.kafka
    kafka.interact(PETER, url="index.html", event="Log\0in", received_at=5, message_id="m")
    trait = {"workspace": "demo", "email": PETER, "name": "vip", "value": True, "kind": "audience", "membership": True}
    trait |= {"timestamp": 7, "message_id": None, "received_at": None, "source_partition": 1, "source_offset": 2}
    kafka.write(TOPICS.traits, b"vip of peter", avro.TRAIT.encode(trait))
    dead: dict[str, Any] = {
        "reason": "too_large",
        "message": "Too large",
        "stage": "ingest",
        "workspace": None,
        "raw": b"\xff",
    }
    dead |= dict.fromkeys(("received_at", "source_partition", "source_offset"))
    kafka.write(TOPICS.rejected, None, avro.REJECTED.encode(dead))
    kafka.write(TOPICS.rejected, None, None, ("resent", b"0"), ("resent", b"?"), ("forgotten", b"something"))
    reading.run()
    there, key = reading.there, reading.writer.keys.of("demo", PETER)
    (entry,) = there.contacts.timeline(key).entries
    assert (entry.day, entry.url, entry.event, entry.received_at_ms) == (TODAY, "index.html", "Log\ufffdin", 5)
    assert (entry.emitted_at_ms, entry.source, entry.record, entry.message_id) == (1_000_000, "0:9", "0:0", "m")
    (found,) = there.contacts.properties(key)
    assert (found.name, found.value, found.membership, found.since_ms, found.source) == ("vip", True, True, 7, "1:2")
    letter = there.deliveries.rejection("0:0")
    assert letter is not None
    assert (letter.raw, letter.workspace, letter.stage, letter.source, letter.resent) == (
        b"\xff",
        "",
        "ingest",
        None,
        True,
    )
    kafka.write(TOPICS.interactions, f"{PETER}-0".encode(), None)
    kafka.write(TOPICS.traits, b"vip of peter", None)
    reading.run()
    assert there.contacts.get(key) is None


def test_what_cannot_be_read_is_skipped(reading: Reading) -> None:
    """Garbage, another schema's value, times that no calendar has, and a record that cannot be decompressed."""
    kafka = reading.kafka
    kafka.interact("a@example.com")
    for value in (b"", b"garbage", kafka.logs[TOPICS.interactions][0].value[:-1]):  # type: ignore[union-attr, index]
        kafka.write(TOPICS.interactions, b"x", value)
    kafka.write(TOPICS.traits, b"x", kafka.logs[TOPICS.interactions][0].value)  # type: ignore[union-attr]
    kafka.write(TOPICS.interactions, b"\xff", None)
    kafka.interact("b@example.com", ago=-(10**7))
    trait = {"workspace": "demo", "email": PETER, "name": "vip", "value": True, "kind": "audience", "membership": True}
    trait |= dict.fromkeys(("message_id", "received_at")) | {"source_partition": 1, "source_offset": 2}
    for at_ms in (-(1 << 63), (1 << 63) - 1):
        kafka.interact("b@example.com", timestamp=at_ms)
        kafka.write(TOPICS.traits, b"vip", avro.TRAIT.encode(trait | {"timestamp": at_ms}))
    at = len(kafka.logs[TOPICS.interactions])
    kafka.logs[TOPICS.interactions].append(Record((TOPICS.interactions, 0), at, is_unreadable=True))
    kafka.interact("c@example.com")
    reading.run()
    assert reading.emails() == ["a@example.com", "c@example.com"]
    assert reading.there.overview.state().behind == 0


def test_offsets_without_records_are_passed(reading: Reading) -> None:
    """The marks of transactions, and what compaction removed; the end counts, too."""
    log = reading.kafka.logs[TOPICS.interactions]
    log += [None, None, None]
    reading.kafka.interact(PETER)
    log.append(None)
    reading.run()
    assert reading.writer.stands()[TOPICS.interactions, 0] == (5, "first")
    assert reading.emails() == [PETER]


@pytest.mark.parametrize(
    "fault", [KafkaDown("away"), store.StoreDown("locked"), Moved()], ids=lambda fault: type(fault).__name__
)
def test_a_fault_loses_and_doubles_nothing(reading: Reading, fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, and in the middle of, each batch: what was taken and not written is read again."""

    def fail() -> None:
        raise fault

    for number in range(5):
        reading.kafka.interact(f"{number}@example.com")
    write, calls = reading.writer.write, iter(range(100))

    def refused(batch: Batch, now_ms: int) -> None:
        if next(calls) % 2 == 0:
            raise fault
        write(batch, now_ms)

    monkeypatch.setattr(reading.writer, "write", refused)
    reading.kafka.faults += [fail, lambda: None, fail]
    reading.run()
    assert reading.emails() == [f"{number}@example.com" for number in range(5)]
    (totals,) = reading.there.overview.totals()
    assert (totals.contacts, totals.interactions) == (5, 5)


def test_another_process_is_stood_by(reading: Reading) -> None:
    """What the other one wrote is not written again."""
    for number in range(4):
        reading.kafka.interact(f"{number}@example.com")
    other = Reading(reading.there)
    other.kafka.logs = reading.kafka.logs

    reading.kafka.faults += [lambda: None, other.run]
    reading.run()
    other.writer.close()
    (totals,) = reading.there.overview.totals()
    assert (totals.contacts, totals.interactions) == (4, 4)


def test_a_topic_made_anew_is_read_from_its_beginning(reading: Reading) -> None:
    reading.kafka.interact("old@example.com")
    reading.run()
    reading.kafka.logs[TOPICS.interactions].clear()
    reading.kafka.ids[TOPICS.interactions] = "second"
    reading.kafka.interact("new@example.com")
    reading.run()
    assert reading.emails() == ["new@example.com"]
    assert "timeline.interactions was made anew" in str(reading.there.overview.state().said)


def test_a_topic_that_lost_records_is_read_again_if_it_stays_so(reading: Reading) -> None:
    """A broker that has just become the leader may not know the end yet: one look is not believed."""
    for number in range(4):
        reading.kafka.interact(f"{number}@example.com")
    reading.run()
    del reading.kafka.logs[TOPICS.interactions][2:]
    reading.run()
    assert len(reading.emails()) == 4
    reading.now_ms = 0

    def later() -> None:
        reading.now_ms += 60_000

    reading.kafka.faults += [later, later]
    reading.run()
    assert reading.emails() == ["0@example.com", "1@example.com"]
    assert "lost records" in str(reading.there.overview.state().said)


def test_what_retention_deleted_unread_is_said_and_dead_letters_go_with_the_topic(reading: Reading) -> None:
    kafka = reading.kafka
    dead: dict[str, Any] = {
        "reason": "too_large",
        "message": "Too large",
        "stage": "ingest",
        "workspace": "demo",
        "raw": b"{}",
    }
    dead |= dict.fromkeys(("received_at", "source_partition", "source_offset"))
    for _ in range(3):
        kafka.write(TOPICS.rejected, None, avro.REJECTED.encode(dead))
    kafka.interact("a@example.com")
    reading.run()
    for _ in range(4):
        kafka.interact("b@example.com")
    kafka.firsts |= {TOPICS.interactions: 3, TOPICS.rejected: 2}
    reading.run()
    said = str(reading.there.overview.state().said)
    assert said == "timeline.interactions, partition 0: records 1 to 2 were deleted before they were read"
    assert [reading.there.deliveries.rejection(f"0:{offset}") is None for offset in range(3)] == [True, True, False]
    assert reading.there.overview.totals()[0].rejections == 1
