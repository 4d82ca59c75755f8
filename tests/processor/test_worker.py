"""The worker's loop over fakes: what is done about each fault, and that nothing is lost or doubled by it."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from processor import health, metrics
from processor.backlog import BEHIND
from processor.breaker import Breaker
from processor.decide import ContactDay
from processor.errors import ClaimsFull, Fatal, KafkaAway
from processor.outputs import Codecs
from processor.ports import Claimed
from processor.records import owner
from processor.traits import Clock, Property
from processor.worker import Worker
from schemas import avro
from schemas.topics import Topics
from schemas.workspace import Workspaces, parse
from tests.fake_kafka import FakeKafka
from tests.fakes import ABORTED, AWAY, INCARNATION, LOST, FakeClaims, sessions
from tests.turns import Faults

TOPICS = Topics("t.")
DAY = "2020-05-31"


def event(email: str, day: str = DAY, name: str = "visit") -> bytes:
    return (
        f'{{"type":"identify","timestamp":"{day}T10:00:00Z","traits":{{"email":"{email}"}},"event":"{name}"}}'.encode()
    )


def change(second: int, value: int, email: str = "a@x.org", name: str = "spent") -> bytes:
    return (
        f'{{"type":"identify","timestamp":"{DAY}T10:00:{second:02}Z","traits":{{"email":"{email}","{name}":{value}}},'
        f'"context":{{"personas":{{"computation_class":"trait","computation_key":"{name}"}}}}}}'
    ).encode()


class World:
    """A worker over fakes that stops when it has nothing to do."""

    def __init__(self, partitions: int = 1, most: int = 100, workspaces: Workspaces | None = None) -> None:
        self.kafka, self.claims, self.slept = FakeKafka(partitions), FakeClaims(), list[float]()
        self.faults = Faults()
        self._most, self._workspaces = most, workspaces or Workspaces()
        self.percent, self.least = 50, 10_000

    def run(self) -> None:
        worker = Worker(
            sessions(self.kafka, self.faults, self._most, lambda: worker.stop()),  # noqa: PLW0108  there is no worker yet
            self.claims,
            workspaces=lambda: self._workspaces,
            topics=TOPICS,
            codecs=Codecs(avro.INTERACTION, avro.TRAIT, avro.REJECTED),
            breaker=Breaker(self.percent, self.least, clock=lambda: 0.0),
            clock=lambda: 0.0,
            sleep=self.slept.append,
        )
        worker.run()

    def interactions(self) -> list[dict[str, Any]]:
        return [avro.decode(output.value)[1] for output in self.kafka.written if output.topic == TOPICS.interactions]

    def traits(self) -> list[dict[str, Any]]:
        return [avro.decode(output.value)[1] for output in self.kafka.written if output.topic == TOPICS.traits]

    def rejections(self) -> list[dict[str, Any]]:
        return [avro.decode(output.value)[1] for output in self.kafka.written if output.topic == TOPICS.rejected]


@pytest.fixture
def world() -> World:
    return World()


def test_first_event_of_a_contact_day_wins(world: World) -> None:
    """Later events of the day are duplicates, in the same batch and in later ones; other days and contacts are not."""
    for name in ("first", "second"):
        world.kafka.append(event("a@x.org", name=name))
    world.kafka.append(event("b@x.org"))
    world.kafka.append(event("a@x.org", "2020-06-01"))
    world.run()
    world.kafka.append(event("A@X.org ", name="third"))
    world.run()
    assert [(i["email"], str(i["day"]), i["description"]) for i in world.interactions()] == [
        ("a@x.org", DAY, "first"),
        ("b@x.org", DAY, "visit"),
        ("a@x.org", "2020-06-01", "visit"),
    ]


def test_interaction_stays_in_its_partition() -> None:
    """An interaction is written to the partition of its raw record, under its id."""
    world = World(partitions=3)
    world.kafka.append(event("a@x.org"), partition=2)
    world.run()
    (output,) = world.kafka.written
    assert output.partition == 2
    assert output.key == world.interactions()[0]["interaction_id"].__str__().encode()


def test_unreadable_record_is_rejected_with_its_bytes(world: World) -> None:
    """What cannot be read goes to segment.rejected under the raw record's key, and the partition moves on."""
    world.kafka.append(b"\xff not json")
    world.kafka.append(event("a@x.org"))
    world.run()
    (rejection,) = world.rejections()
    assert (rejection["reason"], rejection["raw"], rejection["stage"]) == (
        "malformed_json",
        b"\xff not json",
        "processor",
    )
    assert (rejection["source_partition"], rejection["source_offset"], rejection["workspace"]) == (0, 0, "w")
    assert world.kafka.written[-1].key == b"key"
    assert len(world.interactions()) == 1
    assert world.kafka.committed == {0: 2}


def test_future_begins_at_receipt(world: World) -> None:
    """Where nobody noted that, at the record's own time."""
    for received_at_ms, arrived_ms in ((10**13, 10**13), (None, 0)):
        record = world.kafka.append(event("a@x.org"))
        world.kafka.records[0][-1] = replace(record, received_at_ms=received_at_ms, arrived_ms=arrived_ms)
    world.run()
    assert len(world.interactions()) == 1
    assert [(r["reason"], r["source_offset"]) for r in world.rejections()] == [("timestamp_in_future", 1)]


def test_giant_record_is_rejected_in_part(world: World) -> None:
    """A raw record that would not fit its rejection is cut, and the message says so."""
    world.kafka.append(b"x" * (1 << 20))
    world.run()
    (rejection,) = world.rejections()
    assert rejection["reason"] == "too_large"
    assert len(rejection["raw"]) == 512 * 1024
    assert "1048576 bytes" in rejection["message"]


def test_workspaces_are_apart(world: World) -> None:
    """One contact in two workspaces is two contacts, and a workspace's message and zone are its own."""
    world = World(workspaces=parse('[workspaces.w]\ntime_zone = "Pacific/Auckland"\nstandard_message = "Kia ora"'))
    body = b'{"type":"identify","timestamp":"2020-05-31T23:00:00Z","email":"a@x.org"}'
    world.kafka.append(body, workspace="w")
    world.kafka.append(body, workspace="other")
    before = metrics.value(metrics.UNKNOWN_WORKSPACE)
    world.run()
    assert [(i["workspace"], str(i["day"]), i["description"]) for i in world.interactions()] == [
        ("w", "2020-06-01", "Kia ora"),
        ("other", "2020-05-31", "Contact visited your website"),
    ]
    assert metrics.value(metrics.UNKNOWN_WORKSPACE) - before == 1


def test_every_change_of_a_property_is_emitted(world: World) -> None:
    """The day rule drops none; what is older than the one before it is stale, in its batch and in later ones."""
    for second, value in ((5, 1), (7, 2), (6, 3), (7, 4)):
        world.kafka.append(change(second, value))
    world.run()
    for second, value in ((6, 5), (8, 6)):
        world.kafka.append(change(second, value))
    world.run()
    assert [trait["value"] for trait in world.traits()] == [1, 2, 4, 6]
    assert len(world.interactions()) == 1


def test_a_property_belongs_to_workspace_contact_and_name(world: World) -> None:
    """A newer change of another workspace, contact or property makes none stale."""
    world.kafka.append(change(9, 1))
    world.kafka.append(change(1, 2), workspace="other")
    world.kafka.append(change(1, 3, email="b@x.org"))
    world.kafka.append(change(1, 4, name="plan"))
    world.run()
    assert [trait["value"] for trait in world.traits()] == [1, 2, 3, 4]
    assert len({output.key for output in world.kafka.written if output.topic == TOPICS.traits}) == 4


def test_audiences_are_the_workspace_s(world: World) -> None:
    """A boolean of a plain identify is a membership where its workspace says so."""
    world = World(workspaces=parse('[workspaces.w]\naudiences = ["vip"]'))
    body = b'{"type":"identify","timestamp":"2020-05-31T23:00:00Z","traits":{"email":"a@x.org","vip":true}}'
    world.kafka.append(body, workspace="w")
    world.kafka.append(body, workspace="other")
    world.run()
    assert [(trait["workspace"], trait["membership"]) for trait in world.traits()] == [("w", True)]


def test_a_change_of_a_lost_transaction_is_emitted_again(world: World) -> None:
    """Its clock is its own: whatever was aborted, lost or replayed, the newest is written at the end."""
    for second, value in ((5, 1), (7, 2), (6, 3)):
        world.kafka.append(change(second, value))
    world.faults.plan("commit", ABORTED)
    world.run()
    assert [trait["value"] for trait in world.traits()] == [2]
    world.kafka.committed.clear()
    world.run()
    assert [trait["value"] for trait in world.traits()] == [2, 2]


def _abort(world: World) -> None:
    world.faults.plan("commit", ABORTED, skip=1)


def _lose(world: World) -> None:
    world.faults.plan("commit", LOST, skip=1)


def _commit_and_lose(world: World) -> None:
    world.faults.plan("commit", LOST, after_effect=True, skip=1)


def _lose_reading(world: World) -> None:
    world.faults.plan("next_batch", LOST, skip=1)


def _redis_away(world: World) -> None:
    world.claims.faults.plan("claim", AWAY, skip=1)
    world.claims.faults.plan("claim", AWAY)


def _claim_and_lose_the_answer(world: World) -> None:
    world.claims.faults.plan("claim", AWAY, after_effect=True, skip=1)


def _kafka_away(world: World) -> None:
    world.faults.plan("open", KafkaAway("planned"))
    world.faults.plan("commit", KafkaAway("planned"), after_effect=True, skip=1)


@pytest.mark.parametrize(
    "go_wrong",
    [_abort, _lose, _commit_and_lose, _lose_reading, _redis_away, _claim_and_lose_the_answer, _kafka_away],
)
def test_no_fault_loses_or_doubles(go_wrong: Callable[[World], None]) -> None:
    """Whatever fails, each contact-day is written exactly once, by its first event."""
    world = World(partitions=2, most=4)
    for index in range(40):  # every contact twice, its first event in the first half: what goes wrong meets winners
        world.kafka.append(event(f"{index % 20}@x.org", name=str(index)), partition=index % 2)
    go_wrong(world)
    world.run()
    won = sorted((interaction["email"], interaction["event"]) for interaction in world.interactions())
    assert won == sorted((f"{contact}@x.org", str(contact)) for contact in range(20))
    assert world.kafka.committed == {0: 20, 1: 20}


@pytest.mark.parametrize(
    "go_wrong",
    [_abort, _lose, _commit_and_lose, _lose_reading, _redis_away, _claim_and_lose_the_answer, _kafka_away],
)
def test_no_fault_leaves_an_old_value(go_wrong: Callable[[World], None]) -> None:
    """Whatever fails, and in whatever order changes come, the last record of a property is its newest change."""
    world = World(partitions=2, most=4)
    newest: dict[str, int] = {}
    for index in range(40):
        second, email = index * 7 % 40, f"{index % 10}@x.org"
        newest[email] = max(newest.get(email, 0), second)
        world.kafka.append(change(second, second, email), partition=index % 2)
    go_wrong(world)
    world.run()
    assert {trait["email"]: trait["value"] for trait in world.traits()} == newest


def test_reset_group_emits_the_same_again(world: World) -> None:
    """Replayed from the first offset, every winner is written again, byte for byte, and no loser is."""
    for index in range(20):
        world.kafka.append(event(f"{index % 5}@x.org", name=str(index)))
    world.run()
    first = world.kafka.written
    world.kafka.committed.clear()
    world.run()
    assert world.kafka.written == first * 2


def test_sibling_that_claimed_is_emitted() -> None:
    """A later event that owns the claim (its transaction was lost, the group reset further back) is emitted."""
    world = World(most=1)
    early, late = event("a@x.org", name="early"), event("a@x.org", name="late")
    world.kafka.append(early)
    world.kafka.append(late)
    world.kafka.committed[0] = 1  # only the late one is seen, claims, and its transaction is lost
    world.faults.plan("commit", Fatal("killed"))
    with pytest.raises(Fatal):
        world.run()
    world.kafka.committed.clear()
    world._most = 100  # now both in one batch
    world.run()
    assert [interaction["event"] for interaction in world.interactions()] == ["late"]


def test_claim_of_another_topic_is_no_claim_of_its_own(world: World) -> None:
    """A record of a topic that was deleted and made again is not the one that had its coordinates before."""
    for email, incarnation in (("a@x.org", INCARNATION), ("b@x.org", b"gone")):
        record = world.kafka.append(event(email))
        world.claims.redis.held[ContactDay("w", email, 18413)] = owner(incarnation, record)
    world.run()
    assert [interaction["email"] for interaction in world.interactions()] == ["a@x.org"]


def test_source_is_told_what_is_committed(world: World) -> None:
    """Each batch comes to a commit or goes back."""
    world.kafka.append(event("a@x.org"))
    world.faults.plan("commit", ABORTED)
    world.run()
    told = world.faults.called("open", "rewind", "committed", "close source", "close sink")
    assert told == ["open", "rewind", "committed", "close source", "close sink"]


def test_pauses_while_redis_is_away(world: World) -> None:
    """The batch is given back first; then the source is paused, kept in its group, and resumed when Redis answers."""
    world.kafka.append(event("a@x.org"))
    world.claims.faults.plan("claim", AWAY)
    world.claims.faults.plan("claim", AWAY)
    world.run()
    assert world.faults.called("rewind", "pause", "wait", "resume") == ["rewind", "pause", *["wait"] * 8, "resume"]
    assert not health.STATE.is_paused
    assert len(world.interactions()) == 1


def test_a_batch_whose_partitions_went_is_not_asked_for_again() -> None:
    """Another has it by now: with Redis back, and perhaps empty, a claim for it would come too late."""
    world = World(partitions=2)
    world.kafka.append(event("a@x.org"), partition=0)
    world.kafka.append(event("b@x.org"), partition=1)
    asked: list[int] = []
    claim = world.claims.claim

    def watch(owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        asked.append(len(owners))
        if len(asked) == 1:
            world.kafka.group.join()  # and one of the two partitions goes
            raise AWAY
        return claim(owners, clocks)

    world.claims.claim = watch  # type: ignore[method-assign]
    world.run()
    assert asked == [2, 1]


def test_full_redis_is_an_alert() -> None:
    """While Redis has no memory for claims its metric stands at 1; afterwards the event is emitted."""
    world = World()
    seen: list[float] = []
    world.kafka.append(event("a@x.org"))
    for _ in range(3):
        world.claims.faults.plan("claim", ClaimsFull("OOM"))
    claim = world.claims.claim

    def watch(*asked: Any) -> Claimed:
        seen.append(metrics.value(metrics.CLAIMS_FULL))
        return claim(*asked)

    world.claims.claim = watch  # type: ignore[method-assign, assignment]
    world.run()
    assert seen == [0, 1, 1, 1, 0]
    assert metrics.value(metrics.CLAIMS_FULL) == 0
    assert len(world.interactions()) == 1


def test_session_lost_too_often_is_fatal(world: World) -> None:
    """Two workers with one slot take it from each other: one of them says so and goes."""
    for _ in range(5):
        world.faults.plan("open", LOST)
    with pytest.raises(Fatal, match="DAYMARK_SLOT"):
        world.run()


def test_kafka_may_be_away_for_long(world: World) -> None:
    """No number of unanswered calls makes a worker give up, nor do they count beside sessions lost."""
    for fault in ([KafkaAway("planned")] * 12 + [LOST]) * 4:
        world.faults.plan("open", fault)
    world.kafka.append(event("a@x.org"))
    world.run()
    assert len(world.interactions()) == 1


class Looks(list[float]):
    """At each pause, whether the worker has been alive since the one before."""

    def append(self, _seconds: float) -> None:
        super().append(health.alive(time.monotonic()).good)
        health.STATE.looped_at = -math.inf


def test_a_worker_that_kafka_does_not_answer_is_alive(world: World) -> None:
    """From its start, and however long it takes: Kubernetes would restart it again and again, which repairs nothing."""
    world.slept = Looks()
    health.STATE.looped_at = -math.inf
    for _ in range(3):
        world.faults.plan("open", KafkaAway("planned"))
    world.run()
    assert world.slept == [True] * 3


def test_stops_rather_than_reject_a_topic() -> None:
    """Over half of many records rejected within a minute: the worker stops, and the last batch is not committed."""
    world = World(most=40)
    world.least = 100
    for _ in range(200):
        world.kafka.append(b"nonsense")
    with pytest.raises(Fatal, match="wrong format"):
        world.run()
    assert world.kafka.committed == {0: 80}
    assert len(world.rejections()) == 80


def test_half_rejected_is_borne() -> None:
    """Exactly the limit is not over it."""
    world = World(most=40)
    world.least = 100
    for index in range(100):
        world.kafka.append(b"nonsense")
        world.kafka.append(event(f"{index}@x.org"))
    world.run()
    assert len(world.rejections()) == 100


def test_counts_what_is_committed(world: World) -> None:
    """The metrics of events and of changes count each once, after its commit."""

    def counts(metric: Any = metrics.EVENTS) -> dict[str, float]:
        (family,) = metric.collect()
        return {s.labels["result"]: s.value for s in family.samples if s.name.endswith("_total")}

    before, traits = Counter(counts()), Counter(counts(metrics.TRAITS))
    for second in (5, 4, 6):
        world.kafka.append(change(second, 0, "0@x.org"))
    for index in range(10):
        world.kafka.append(event(f"{index % 3}@x.org"))
    world.kafka.append(b"[]")
    world.faults.plan("commit", ABORTED)
    world.run()
    after = Counter(counts())
    after.subtract(before)
    assert {name: value for name, value in after.items() if value} == {
        "emitted": 3,
        "duplicate": 10,
        "not_an_object": 1,
    }
    changed = Counter(counts(metrics.TRAITS))
    changed.subtract(traits)
    # The first was emitted, too, before the abort took it back: by then the clock was the third's.
    assert {name: value for name, value in changed.items() if value} == {"emitted": 1, "stale": 2}


def test_a_backlog_shows_what_the_worker_can_do() -> None:
    """Full batches count, but not one that was aborted, nor the first after it."""
    world = World(most=BEHIND)
    before = metrics.value(metrics.BACKLOG_EVENTS)
    for index in range(5 * BEHIND + 1):
        world.kafka.append(b"[%d]" % index)
    world.percent = 100
    world.faults.plan("commit", ABORTED, skip=2)
    world.run()
    assert metrics.value(metrics.BACKLOG_EVENTS) - before == 3 * BEHIND


def test_closes_what_it_opened(world: World) -> None:
    """Stopped or failed, a worker leaves its group and lets go of its producer."""
    world.kafka.append(event("a@x.org"))
    world.faults.plan("commit", Fatal("planned"))
    with pytest.raises(Fatal, match="planned"):
        world.run()
    assert world.faults.called("close source", "close sink") == ["close source", "close sink"]
