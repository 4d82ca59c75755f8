"""`daymark forget`: a contact is erased, stays erased, and the audit knows it; a kill leaves all or nothing."""

import json
from collections import Counter
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from daymark.auditing import reading
from daymark.auditing.scope import Clients
from daymark.commands import audit, forget, why
from daymark.forgetting.erasing import Eraser, NotErased
from daymark.forgetting.holdings import Holdings, Search
from schemas.topics import Topics
from tests.flows import Road, visit, wait_until

STEPS = ("find", "tombstones", "marks", "commit")
EMAIL = visit(1)[0]


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def run(road: Road, *arguments: str) -> Result:
    return CliRunner().invoke(forget.command, arguments, env=road.environment)


def said(road: Road, *arguments: str) -> dict[str, Any]:
    result = run(road, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def audited(road: Road) -> tuple[dict[str, int], int]:
    """Return what an audit finds, and how much it knows to be forgotten."""
    found = json.loads(CliRunner().invoke(audit.command, ["--json"], env=road.environment).stdout)
    faults = {name: each["count"] for name, each in found["findings"].items() if each["count"]}
    return faults, found["counts"]["forgotten"]


def vip(contact: int) -> tuple[str, bytes]:
    email, body = visit(contact, 3)
    event = json.loads(body)
    event["traits"]["vip"] = True
    event["context"] = {"personas": {"computation_class": "audience", "computation_key": "vip"}}
    return email, json.dumps(event).encode()


def live(road: Road, topic: str) -> Counter[bytes]:
    """Return the keys under which a reader that keeps the last record holds something of the contact."""
    last = {record.key: record.value for record in road.committed(topic)}
    return Counter(key for key, value in last.items() if EMAIL.encode() in value)


@pytest.mark.timeout(600)  # many processes, one after the other
def test_a_contact_is_forgotten(road: Road) -> None:
    """A plan writes nothing; once done it stays so: late repeats, a second run; a replay is found, a new day is new."""
    road.send([*(visit(contact, day) for contact in range(3) for day in (1, 2)), vip(1), vip(2)])
    road.send([visit(1)], workspace="other")
    with road.worker():
        road.wait_settled()
    before = [sorted(road.committed(topic.name)) for topic in road.topics.all()]
    plan = said(road, EMAIL.upper())
    assert plan["workspaces"] == {
        "other": {"interactions": 1, "properties": 0},
        "w": {"interactions": 3, "properties": 1},
    }
    assert [each["deleted_after_ms"] for each in plan["ageing"][:2]] == [30 * 86_400_000] * 2
    assert "--execute erases" in run(road, EMAIL).stdout
    assert [sorted(road.committed(topic.name)) for topic in road.topics.all()] == before
    assert run(road, "nobody").exit_code == 2

    assert said(road, EMAIL, "--execute", "--workspace", "other")["keys"] == 1
    assert said(road, EMAIL, "--execute")["keys"] == 4
    assert said(road, EMAIL, "--execute")["keys"] == 0
    topics = road.topics
    assert live(road, topics.interactions) + live(road, topics.traits) == Counter()
    assert audited(road) == ({}, 5)
    assert EMAIL.encode() not in b"".join(record.value for record in road.committed(topics.rejected))
    asked = CliRunner().invoke(why.command, [EMAIL, "--json"], env=road.environment)
    assert asked.exit_code == 0
    assert {each["verdict"] for each in json.loads(asked.stdout)["events"]} == {"forgotten"}

    road.send([visit(1, name="late"), visit(1, 9, name="new"), vip(1)])
    with road.worker("1"):
        wait_until(lambda: sum(live(road, topics.interactions).values()) == 1, "a new day is new", every_s=0.5)
        wait_until(lambda: sum(live(road, topics.traits).values()) == 1, "a newer change is new", every_s=0.5)
    assert audited(road) == ({}, 5)


def test_a_replay_that_brings_a_contact_back_is_found(road: Road) -> None:
    """Raw events are still there: reading them again emits them again, the audit says so, and forgetting ends it."""
    road.send([visit(1), visit(2), vip(1)])
    with road.worker():
        road.wait_settled()
    assert said(road, EMAIL, "--execute")["keys"] == 3
    consumer = Consumer({"bootstrap.servers": road.kafka, "group.id": road.group})
    stands = consumer.committed(reading_places(consumer, road), 20)
    for place in stands:
        place.offset = 0
    consumer.commit(offsets=stands, asynchronous=False)
    consumer.close()
    with road.worker("1"):
        road.wait_settled()
    assert audited(road) == ({"returned": 3}, 1)
    assert said(road, EMAIL, "--execute")["keys"] == 3
    assert audited(road) == ({}, 3)


def reading_places(consumer: Consumer, road: Road) -> list[Any]:
    topic = road.topics.events
    return [TopicPartition(topic, number) for number in consumer.list_topics(topic, 10).topics[topic].partitions]


class Killed(Exception):
    """Ends a run where it stands: it neither commits nor aborts, as SIGKILL."""


def eraser(road: Road, clients: Clients, kill_at: str = "", beside: Any = None) -> Eraser:
    partitions = {topic.name: range(4) for topic in road.topics.all()}

    def step(name: str) -> None:
        if name == kill_at:
            if beside is None:
                raise Killed
            beside()

    def find() -> Holdings:
        return Search(clients, road.topics, partitions, EMAIL).find()

    return Eraser({"bootstrap.servers": road.kafka, "log_level": 0}, road.topics, find, step)


def test_a_run_that_is_killed_leaves_all_or_nothing(road: Road) -> None:
    """Killed at each step, then run again, then once more; and one beside another gives way."""
    road.send([visit(1), visit(1, 2), vip(1), visit(2)])
    with road.worker():
        road.wait_settled()
    ours: dict[str, Any] = {"bootstrap.servers": road.kafka, "group.id": road.group, "log_level": 0}
    clients = Clients(
        Consumer({**reading.CONFIG, **ours}), Consumer({**reading.UNCOMMITTED, **ours}), AdminClient(ours)
    )
    try:
        for name in STEPS:
            with pytest.raises(Killed):
                eraser(road, clients, name).erase()
        assert road.committed(road.topics.rejected) == []
        with pytest.raises(NotErased, match="another"):
            eraser(road, clients, "commit", lambda: eraser(road, clients).erase()).erase()
        assert eraser(road, clients).erase().held == []
    finally:
        clients.committed.close()
        clients.uncommitted.close()
    assert len(road.committed(road.topics.rejected)) == 4
    assert audited(road) == ({}, 4)
