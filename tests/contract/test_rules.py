"""Rules of the simulated brokers and drivers (`tests.world`), held against the real ones: one suite for both.

The table in docs/simulated-world.md names the test of each rule.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.lanes import BACKFILL
from schemas.topics import Topics
from tests.contract import wire as wired
from tests.contract.wire import Wire
from tests.flows import Road, log_end, visit, wait_until
from tests.made import PARTITIONS
from tests.world import transactions
from tests.world.kernel import Kernel
from tests.world.member import in_ranges
from tests.world.modern import LEAVES, Modern
from tests.world.requests import Membership, ModernHeartbeat, Produce, Refused

ALL = frozenset(range(PARTITIONS))
_STALE = "ILLEGAL_GENERATION"  # what STALE_MEMBER_EPOCH becomes for TxnOffsetCommit
_OF_THE_LANE = BACKFILL  # partition 0 of a topic to which nobody is subscribed, as is that of a backfill


class Group(Protocol):
    """A group of the consumer protocol, and what it takes of offsets."""

    def beat(self, member: str, epoch: int, owned: frozenset[int]) -> tuple[int, frozenset[int]]:
        """Let a member send a heartbeat; return its epoch, and the partitions that it may have now."""

    def commit(self, member: str, epoch: int, partition: int) -> str:
        """Commit an offset in a transaction; return the error."""


class WorldGroup:
    def __init__(self) -> None:
        self._group = Modern(Kernel(), PARTITIONS, 45.0)

    def beat(self, member: str, epoch: int, owned: frozenset[int]) -> tuple[int, frozenset[int]]:
        share = self._group.heartbeat(ModernHeartbeat(Membership(member, epoch), owned, 45.0))
        return share.epoch, share.partitions

    def commit(self, member: str, epoch: int, partition: int) -> str:
        try:
            self._group.check(Membership(member, epoch), {partition: 1})
        except Refused as refused:
            return refused.code
        return ""


class RealGroup:
    def __init__(self, kafka: str, topics: Topics) -> None:
        self._wire, self._topics, self._group = Wire(kafka), topics, f"{topics.prefix}group"
        self._shares: dict[str, frozenset[int]] = {}
        self._topic = b""
        self._tid = f"{topics.prefix}tid"

    def beat(self, member: str, epoch: int, owned: frozenset[int]) -> tuple[int, frozenset[int]]:
        there = None if not self._topic or epoch == 0 else (self._topic, owned)
        share = self._wire.heartbeat(self._group, member, epoch, self._topics.events, there)
        assert share.error == ""
        self._topic = share.topic or self._topic
        if share.partitions is not None:
            self._shares[member] = share.partitions
        return share.epoch, self._shares.get(member, frozenset())

    def commit(self, member: str, epoch: int, partition: int) -> str:
        topic = self._topics.interactions if partition >= BACKFILL else self._topics.events
        producer = begun(self._wire, self._tid)
        assert self._wire.add_offsets(producer, self._group) == ""
        place = topic, partition % BACKFILL
        error = self._wire.commit_offset(producer, self._group, (member, epoch), place)
        self._wire.end(producer)
        return error

    def close(self) -> None:
        for member in self._shares:
            self._wire.heartbeat(self._group, member, LEAVES, self._topics.events, None)
        self._wire.close()


def begun(wire: Wire, tid: str) -> wired.Producer:
    """Return a producer, once the coordinator is there and nothing of its name is being ended."""
    found: list[wired.Producer] = []

    def is_begun() -> bool:
        error, producer = wire.begin(tid)
        if not error:
            found.append(producer)
        return not error

    wait_until(is_begun, "the producer has an epoch")
    return found[0]


@pytest.fixture(params=["world", "real"])
def group(request: pytest.FixtureRequest) -> Iterator[Group]:
    if request.param == "world":
        yield WorldGroup()
        return
    real = RealGroup(request.getfixturevalue("kafka"), request.getfixturevalue("topics"))
    yield real
    real.close()


class Members:
    """Two members: the first has everything when the second comes. What each has, and in which epoch."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self.epochs, self.shares = {"a": 0, "b": 0}, {"a": frozenset[int](), "b": frozenset[int]()}
        wait_until(lambda: self.beat("a") == ALL, "the first member has everything")
        self.first_epoch = self.epochs["a"]
        self.beat("b")
        wait_until(lambda: self._says("a") < ALL, "the first member is to let go of some")
        self.kept = self._says("a")

    def beat(self, member: str) -> frozenset[int]:
        """Let a member have what it is given, and say so."""
        self.shares[member] = self._says(member)
        return self.shares[member]

    def share_out(self) -> None:
        """Let the first member let go, and the second have the rest."""
        wait_until(lambda: self.beat("a") == self.kept and len(self.beat("b")) > 0, "the second member has its share")

    def _says(self, member: str) -> frozenset[int]:
        """Return what a member is to have; it goes on with what it has."""
        self.epochs[member], share = self._group.beat(member, self.epochs[member], self.shares[member])
        return share


def test_a_partition_is_given_on_once_its_holder_has_let_it_go(group: Group) -> None:
    members = Members(group)
    assert [members.beat("b") for _ in range(3)] == [frozenset()] * 3
    assert members.epochs["a"] == members.first_epoch  # until it has confirmed
    members.share_out()
    assert members.shares["b"] == ALL - members.kept


def test_offsets_are_taken_of_who_has_had_the_partition_since(group: Group) -> None:
    """Under an epoch of before only of partitions that were a member's by then, and still are."""
    members = Members(group)
    before, kept, moving = members.first_epoch, min(members.kept), min(ALL - members.kept)
    assert group.commit("a", before, moving) == ""  # it has not let go yet
    members.share_out()
    now = members.epochs["a"]
    assert now > before
    assert [group.commit("a", before, of) for of in (kept, moving)] == ["", _STALE]
    assert group.commit("a", now + 1, kept) == _STALE
    assert [group.commit("b", epoch, moving) for epoch in (before, now)] == [_STALE, ""]


def test_a_lane_commits_under_the_current_epoch_only(group: Group) -> None:
    """What nobody assigns anybody may commit, but not under an epoch of before."""
    members = Members(group)
    assert group.commit("a", members.epochs["a"], _OF_THE_LANE) == ""
    members.share_out()
    assert group.commit("a", members.first_epoch, _OF_THE_LANE) == _STALE
    assert [group.commit(each, members.epochs[each], _OF_THE_LANE) for each in "ab"] == ["", ""]


class LogOfOne(Protocol):
    """A log to which one transactional producer writes."""

    def produce(self, sequence: int) -> str:
        """Write one record by its sequence number; return the error."""

    def records(self) -> int: ...


class WorldLog:
    def __init__(self) -> None:
        self._log = transactions.Log()

    def produce(self, sequence: int) -> str:
        try:
            self._log.append(Produce("tid", 1, 0, ("topic", 0), sequence, ["record"]), lambda: None)
        except Refused as refused:
            return refused.code
        return ""

    def records(self) -> int:
        return sum(map(len, self._log.open.values()))


class RealLog:
    def __init__(self, kafka: str, topics: Topics) -> None:
        self._wire, self._kafka, self._topic = Wire(kafka), kafka, topics.events
        self._producer = begun(self._wire, f"{topics.prefix}tid")
        assert self.records() == 0  # it has a leader
        assert self._wire.add_partition(self._producer, self._topic) == ""

    def produce(self, sequence: int) -> str:
        return self._wire.produce(self._producer, self._topic, sequence)

    def records(self) -> int:
        consumer = Consumer(
            {"bootstrap.servers": self._kafka, "group.id": "none", "isolation.level": "read_uncommitted"}
        )
        try:
            return log_end(consumer, TopicPartition(self._topic, 0))
        finally:
            consumer.close()

    def close(self) -> None:
        self._wire.end(self._producer)
        self._wire.close()


@pytest.fixture(params=["world", "real"])
def log_of_one(request: pytest.FixtureRequest) -> Iterator[LogOfOne]:
    if request.param == "world":
        yield WorldLog()
        return
    real = RealLog(request.getfixturevalue("kafka"), request.getfixturevalue("topics"))
    yield real
    real.close()


def test_a_produce_is_taken_once(log_of_one: LogOfOne) -> None:
    """Sent again it is answered as the first time, and nothing is written; a number too many is refused."""
    assert [log_of_one.produce(0), log_of_one.produce(0), log_of_one.records()] == ["", "", 1]
    assert [log_of_one.produce(2), log_of_one.records()] == ["OUT_OF_ORDER_SEQUENCE_NUMBER", 1]
    assert [log_of_one.produce(1), log_of_one.produce(0), log_of_one.records()] == ["", "", 2]


def test_ranges_go_to_members_in_the_order_of_their_names(kafka: str, topics: Topics) -> None:
    """As the simulated leader divides them: `aa` comes between `a` and `b`, and the first has one more."""
    names = ["b", "aa", "a"]
    config = {
        "bootstrap.servers": kafka,
        "group.id": f"{topics.prefix}group",
        "partition.assignment.strategy": "range",
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 300,
    }
    members = {name: Consumer({**config, "group.instance.id": name}) for name in names}
    try:
        for member in members.values():
            member.subscribe([topics.events])
        expected = in_ranges(PARTITIONS, sorted(names))
        wait_until(lambda: _held(members) == expected, f"the partitions are shared out as {expected}", every_s=0)
    finally:
        for member in members.values():
            member.close()


def _held(members: Mapping[str, Consumer]) -> dict[int, str]:
    for member in members.values():
        member.poll(0.1)
    return {place.partition: name for name, member in members.items() for place in member.assignment()}


def _place_of_one(reader: Consumer) -> TopicPartition:
    """Return where a record is."""
    found: list[TopicPartition] = []

    def is_read() -> bool:
        message = reader.poll(1.0)
        if message is not None:
            found.append(TopicPartition(str(message.topic()), message.partition() or 0))
        return message is not None

    wait_until(is_read, "the record is read", every_s=0)
    return found[0]


def test_the_end_of_a_log_is_what_the_last_fetch_said_or_what_its_leader_says(kafka: str, topics: Topics) -> None:
    road = Road(kafka, "redis://unused", topics, b"k" * 16)
    road.send([visit(1)])
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "none", "auto.offset.reset": "earliest"})
    places = [TopicPartition(topics.events, partition, 0) for partition in range(PARTITIONS)]
    try:
        reader.assign(places)
        assert reader.get_watermark_offsets(places[0], cached=True)[1] < 0  # nothing was fetched yet
        place = _place_of_one(reader)
        reader.pause(places)
        wait_until(lambda: reader.poll(0.5) is None, "nothing is fetched any more")
        before = reader.get_watermark_offsets(place, cached=True)
        road.send([visit(1)])
        assert before == reader.get_watermark_offsets(place, cached=True) == (0, 1)
        assert reader.get_watermark_offsets(place, 60) == (0, 2)
    finally:
        reader.close()
