"""Workers on a real Kafka and a real Valkey: what is committed, whatever comes and goes."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from daymark import slots
from schemas.topics import Topics
from tests import foreign
from tests.flows import Process, Road, twice, visit, wait_until

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STUCK = Path(__file__).with_name("stuck_worker.py")


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


@pytest.mark.parametrize(
    "membership",
    [
        {},
        {"DAYMARK_ASSIGNOR": "range"},
        {"DAYMARK_GROUP_PROTOCOL": "consumer"},
    ],
    ids=["cooperative-sticky", "range", "consumer protocol"],
)
def test_one_interaction_a_contact_a_day(road: Road, membership: dict[str, str]) -> None:
    """The first event of each contact-day is committed, in its partition; rejected records have their reason."""
    road.send(visit(contact, day, name) for name in ("first", "again") for day in (1, 2) for contact in range(200))
    road.send([("", b"nonsense"), ("x", b'{"type":"track"}')])
    foreign.send(road.kafka, road.topics.events, b"x", visit(200)[1], ("traceparent", TRACE))
    with road.worker(**membership) as worker:
        road.wait_settled()
        figures = worker.metrics()
    interactions = road.interactions()
    assert len(interactions) == 401
    assert not twice(interactions)
    assert [each.headers for each in road.committed(road.topics.interactions) if each.headers] == [
        (("traceparent", TRACE),)
    ]
    assert all(r.partition == r.fields["source_partition"] for r in road.committed(road.topics.interactions))
    assert sorted(rejection["reason"] for rejection in road.rejections()) == ["malformed_json", "unsupported_type"]
    assert figures['daymark_events_total{result="emitted"}'] == 401
    assert figures['daymark_events_total{result="duplicate"}'] == 400
    assert figures['daymark_events_total{result="malformed_json"}'] == 1


def test_sigterm_ends_a_worker_in_order(road: Road) -> None:
    """A worker commits what it holds, leaves its group and exits 0; another takes over at once."""
    road.send(visit(contact) for contact in range(2000))
    with road.worker("a", DAYMARK_SESSION_TIMEOUT_MS="300000") as first:
        first.wait_for("partitions.assigned")
        first.signal(signal.SIGTERM)
        assert first.wait() == 0
        assert "worker.stopped" in first.said
    with road.worker("b") as second:
        second.wait_for("partitions.assigned")  # long before the session of a member that had not left would end
        road.wait_settled()
    assert len(road.interactions()) == 2000


def test_sigterm_in_the_first_moment(road: Road) -> None:
    """A SIGTERM before the worker has begun ends it in order, too."""
    process = road.start("process")
    try:
        wait_until(lambda: _handles_sigterm(process.pid), "the handler is there")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        process.end()


def test_sigterm_while_kafka_is_away(road: Road) -> None:
    """A worker that waits for Kafka leaves in order, too."""
    process = road.start("process", DAYMARK_KAFKA="127.0.0.1:1")
    try:
        process.wait_for("worker.started")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        assert "worker.stopped" in process.said
    finally:
        process.end()


def test_workers_join_and_leave_under_load(road: Road) -> None:
    """Two and three workers come and go, some by SIGKILL, while events flow: nothing is lost, nothing doubled."""
    contacts, rounds = 500, 6
    with road.worker("a"), road.worker("b") as second:
        for index in range(rounds):
            road.send(visit(contact, day, str(index)) for day in (index + 1, 1) for contact in range(contacts))
            if index == 1:
                third = road.start("process", DAYMARK_SLOT=f"{road.topics.prefix}c")
                third.wait_for("partitions.assigned")
            elif index == 3:
                second.kill()
            elif index == 4:
                assert third.end() == 0
        road.wait_settled()
    interactions = road.interactions()
    assert len(interactions) == contacts * rounds
    assert not twice(interactions)


def test_killed_between_claim_and_commit(road: Road) -> None:
    """The successor of a worker that died after its claims and before its commit emits each exactly once."""
    road.send(visit(contact, name=name) for name in ("first", "again") for contact in range(300))
    stuck = _stuck(road)
    stuck.wait_for("claimed")
    stuck.kill()
    assert road.interactions() == []
    with road.worker():
        road.wait_settled()
    interactions = road.interactions()
    assert len(interactions) == 300
    assert not twice(interactions)
    assert {interaction["event"] for interaction in interactions} == {"first"}


def test_worker_taken_for_dead_commits_nothing(road: Road) -> None:
    """Stopped past its session with a batch claimed, then continued, a worker finds its commit refused."""
    road.send(visit(contact) for contact in range(300))
    stuck = _stuck(road, "--continue", DAYMARK_SESSION_TIMEOUT_MS="3000")
    stuck.wait_for("claimed")
    stuck.signal(signal.SIGSTOP)
    with road.worker("other"):
        road.wait_settled()
        stuck.signal(signal.SIGCONT)
        stuck.wait_for("commit refused")
        road.wait_settled()
        assert not twice(road.interactions())
    stuck.kill()
    assert len(road.interactions()) == 300


def test_reset_to_earliest_writes_the_same_bytes(
    road: Road, kafka_tool: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """After a reset by Kafka's own tool the newest record under every key is byte for byte the same."""
    road.send(visit(contact, name=name) for name in ("first", "again") for contact in range(200))
    with road.worker():
        road.wait_settled()
    before = {record.key: record.value for record in road.committed(road.topics.interactions)}
    reset = ("--reset-offsets", "--to-earliest", "--execute", "--topic", road.topics.events, "--group", road.group)
    assert "rror" not in kafka_tool("kafka-consumer-groups", *reset).stdout
    assert road.lag() == 400
    road.send([visit(1000)])
    with road.worker():
        road.wait_settled()
    records = road.committed(road.topics.interactions)
    after = {record.key: record.value for record in records}
    assert len(before) == 200
    assert after.items() >= before.items()
    assert len(after) == 201
    assert len(records) == 401


@pytest.mark.parametrize("running", [False, True], ids=["workers stopped", "workers running"])
def test_topic_made_again(road: Road, running: bool) -> None:  # noqa: FBT001  a parameter of the test
    """In a topic deleted and made again old claims are nobody's own, and none of its new events is lost."""
    contacts = [visit(contact) for contact in range(100)]
    road.send(contacts)
    with road.worker() as worker:
        road.wait_settled()
        if not running:
            worker.end()
        _make_again(road)
        # The same contacts at the same coordinates: their claims are held, by records that are no more.
        road.send([*contacts, *(visit(contact) for contact in range(100, 200))])
        with nullcontext() if running else road.worker("next"):
            road.wait_settled()
    interactions = road.interactions()
    assert not twice(interactions)
    assert len(interactions) == 200


def test_output_as_kafkas_own_reader_sees_it(
    road: Road, kafka_tool: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """The console consumer with read_committed prints each interaction's id once."""
    road.send(visit(contact) for contact in range(50))
    with road.worker():
        road.wait_settled()
    topic = ("--topic", road.topics.interactions, "--from-beginning", "--timeout-ms", "8000", "--max-messages", "50")
    options = ("--isolation-level", "read_committed", "--formatter-property", "print.key=true")
    printed = kafka_tool("kafka-console-consumer", *topic, *options, "--formatter-property", "print.value=false")
    ids = [line for line in printed.stdout.split() if len(line) == 36]
    assert sorted(ids) == sorted(str(interaction["interaction_id"]) for interaction in road.interactions())
    assert len(set(ids)) == 50


def test_two_workers_of_one_slot(road: Road, tmp_path: Path) -> None:
    """On two hosts the second takes the slot over; what both do is still exact, and one of them says what is wrong."""
    road.send(visit(contact) for contact in range(300))
    with road.worker("same") as first:
        first.wait_for("partitions.assigned")
        with road.worker("same", TMPDIR=str(tmp_path)):  # as on another host: the locks are elsewhere
            for day in range(2, 8):
                road.send(visit(contact, day) for contact in range(300))
                road.wait_settled()
    assert len(road.interactions()) == 2100
    assert not twice(road.interactions())


def test_two_workers_of_one_slot_on_one_host(road: Road) -> None:
    """The second says which setting to give, and leaves the first alone."""
    road.send(visit(contact) for contact in range(30))
    with road.worker("same") as first:
        first.wait_for("partitions.assigned")
        second = road.start("process", DAYMARK_SLOT=f"{road.topics.prefix}same")
        assert second.wait() == 1
        assert "give each worker a DAYMARK_SLOT of its own" in second.said
        assert f"(process {first.pid})" in second.said
        road.wait_settled()
        assert "session.lost" not in first.said


def test_workers_of_one_host_without_slots(road: Road) -> None:
    """Each takes a free one; together they work, and none fences another."""
    workers = [road.start("process") for _ in range(3)]
    try:
        for worker in workers:
            worker.wait_for("partitions.assigned")
        found = {json.loads(worker.wait_for(r'\{.*"worker\.started".*\}'))["slot"] for worker in workers}
        assert found == {slots.host(), f"{slots.host()}-1", f"{slots.host()}-2"}
        road.send(visit(contact) for contact in range(300))
        road.wait_settled()
        assert not any("session.lost" in worker.said for worker in workers)
    finally:
        for worker in workers:
            worker.end()
    assert len(road.interactions()) == 300


def test_a_killed_worker_is_back_at_once(road: Road) -> None:
    """A static member takes up its partitions where its session would last for longer than this waits."""
    settings = {"DAYMARK_MEMBERSHIP": "static", "DAYMARK_SESSION_TIMEOUT_MS": "90000"}
    with road.worker("a", **settings) as first, road.worker("b", **settings):
        wait_until(lambda: first.metrics()["daymark_partitions"] == 2, "the partitions are shared out", every_s=0.5)
        road.send(visit(contact) for contact in range(100))
        road.wait_settled()
        first.kill()
        road.send(visit(contact) for contact in range(100, 200))
        with road.worker("a", **settings):
            road.wait_settled()
    assert len(road.interactions()) == 200


def test_group_of_another_assignor_is_said(road: Road) -> None:
    """A worker whose assignor does not fit the group's says so and exits 1, without a traceback."""
    with road.worker("a", DAYMARK_ASSIGNOR="range") as first:
        first.wait_for("partitions.assigned")
        odd = road.start("process", DAYMARK_SLOT=f"{road.topics.prefix}b", DAYMARK_ASSIGNOR="roundrobin")
        assert odd.wait() == 1
        assert "assignor" in odd.said or "protocol" in odd.said.lower()
        assert "Traceback" not in odd.said


def test_topics_that_do_not_match_are_said(road: Road) -> None:
    """More raw partitions than the interactions have: the worker says so and exits 1."""
    admin = AdminClient({"bootstrap.servers": road.kafka})
    admin.create_partitions([NewPartitions(road.topics.events, 6)])[road.topics.events].result(60)
    worker = road.start("process")
    assert worker.wait() == 1
    assert f"{road.topics.interactions} has 4 partitions" in worker.said
    assert "Traceback" not in worker.said


def test_waits_for_its_topics(road: Road) -> None:
    """A worker that is there before its topics waits for them, and says what makes them."""
    later = Road(road.kafka, "redis://unused", Topics(f"{road.topics.prefix}later."), b"k" * 16)
    later.environment |= {**road.environment, "DAYMARK_TOPIC_PREFIX": later.topics.prefix, "DAYMARK_GROUP": later.group}
    with later.worker() as worker:
        worker.wait_for("kafka.away.*daymark topics|daymark topics.*kafka.away")
        assert later.start("topics", "--partitions", "4", "--replication", "1").wait() == 0
        later.send([visit(1)])
        later.wait_settled()
    assert len(later.interactions()) == 1


def _stuck(road: Road, *options: str, **settings: str) -> Process:
    slot = {"DAYMARK_SLOT": f"{road.topics.prefix}stuck"}
    return Process([sys.executable, str(STUCK), *options], {**road.environment, **slot, **settings})


def _handles_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def _make_again(road: Road) -> None:
    admin = AdminClient({"bootstrap.servers": road.kafka})
    admin.delete_topics([road.topics.events])[road.topics.events].result(60)
    new = next(topic for topic in road.topics.all() if topic.name == road.topics.events)

    def made() -> bool:
        try:
            admin.create_topics([NewTopic(new.name, 4, config=dict(new.settings))])[new.name].result(60)
        except KafkaException:
            return False
        return True

    wait_until(made, "the topic can be made again")
