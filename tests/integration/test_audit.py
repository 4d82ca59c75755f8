"""`daymark audit` over what real workers committed: nothing to find, until somebody tampers with it."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Producer, TopicPartition

from daymark.commands import audit
from schemas import avro
from schemas.topics import Topics
from tests.flows import Committed, Road, log_end, visit

AUDIENCE = ("--contacts", "300", "--days", "2", "--repeat", "1.5", "--retries", "0.05", "--invalid", "0.05")

Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def run(road: Road, *arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(audit.command, [*arguments], env={**road.environment, **environ})


def audited(road: Road, *arguments: str) -> dict[str, Any]:
    """Return what an audit says; its exit status agrees with its findings."""
    result = run(road, *arguments, "--json")
    assert isinstance(result.exception, SystemExit | None), result.exception
    said: dict[str, Any] = json.loads(result.stdout)
    assert said["sound"] == (not faults(said))
    assert result.exit_code == (0 if said["sound"] else 3)
    return said


def faults(said: Mapping[str, Any]) -> dict[str, int]:
    return {name: found["count"] for name, found in said["findings"].items() if found["count"]}


def write(road: Road, topic: str, like: Committed, codec: avro.Codec, change: Change) -> None:
    """Write a record once more, or a changed one in its place."""
    producer = Producer({"bootstrap.servers": road.kafka})
    producer.produce(topic, codec.encode(change(like.fields)), like.key, partition=like.partition)
    assert producer.flush(30) == 0


def commit_all(road: Road) -> None:
    """Move the group to the end of the raw events, as if they had been worked on."""
    consumer = Consumer({"bootstrap.servers": road.kafka, "group.id": road.group, "enable.auto.commit": False})
    try:
        topic = road.topics.events
        places = [TopicPartition(topic, number) for number in consumer.list_topics(topic, 10).topics[topic].partitions]
        for place in places:
            place.offset = log_end(consumer, place)
        consumer.commit(offsets=places, asynchronous=False)
    finally:
        consumer.close()


def same(fields: dict[str, Any]) -> dict[str, Any]:
    return fields


def test_what_workers_commit_is_right_until_it_is_tampered_with(road: Road) -> None:
    """A sync with repeats, retries and invalid calls, one worker killed; then each topic gets a record too many."""
    assert road.start("simulate", *AUDIENCE, "--to", "topic", "--workspace", "w").wait(240) == 0
    with road.worker("a"):
        doomed = road.start("process", DAYMARK_SLOT=f"{road.topics.prefix}b")
        doomed.wait_for("partitions.assigned")
        doomed.kill()
        road.wait_settled()
    said = audited(road, "--no-replays")
    assert (faults(said), said["lag"]) == ({}, 0)
    assert said["counts"]["contact_days"] == len(road.interactions()) == 600
    assert said["read"][road.topics.rejected] == len(road.rejections()) > 0

    topics = road.topics
    interaction, rejection, trait = (
        road.committed(topic)[0] for topic in (topics.interactions, topics.rejected, topics.traits)
    )
    write(road, topics.interactions, interaction, avro.INTERACTION, same)
    said = audited(road)
    assert (faults(said), said["counts"]["interactions_emitted_again"]) == ({}, 1)
    assert faults(audited(road, "--no-replays")) == {"doubled": 1}

    write(road, topics.interactions, interaction, avro.INTERACTION, lambda fields: fields | {"description": "x"})
    write(road, topics.interactions, interaction, avro.INTERACTION, lambda fields: fields | {"source_offset": 10**6})
    write(road, topics.rejected, rejection, avro.REJECTED, lambda fields: fields | {"reason": "too_large"})
    write(road, topics.rejected, interaction, avro.REJECTED, lambda fields: rejection.fields | _source(fields))
    write(road, topics.traits, trait, avro.TRAIT, lambda fields: fields | {"source_offset": 10**6})
    said = audited(road, "--examples", "1")
    assert faults(said) == {
        "doubled": 1,
        "wrong_content": 1,
        "unknown": 1,
        "rejection_doubled": 1,
        "rejection_extra": 1,
        "trait_unknown": 1,
    }
    [example] = said["findings"]["wrong_content"]["examples"]
    assert example["fields"] == ["description"]
    assert example["source"] == f"{interaction.fields['source_partition']}:{interaction.fields['source_offset']}"
    assert interaction.fields["email"] not in json.dumps(said)


def _source(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in ("source_partition", "source_offset")}


def test_what_is_not_committed_yet_is_not_lost(road: Road) -> None:
    """Events that the group has not committed are lag; once it says that it has done them, they are missing."""
    road.send(visit(contact) for contact in range(20))
    with road.worker():
        road.wait_settled()
    road.send([*(visit(contact, 2) for contact in range(7)), ("", b"nonsense")])
    said = audited(road)
    assert (faults(said), said["lag"], said["counts"]["contact_days"]) == ({}, 8, 20)
    assert run(road, "--group", f"{road.topics.prefix}other").exit_code == 1
    assert [run(road, "--max-lag", most).exit_code for most in ("7", "8")] == [3, 0]

    commit_all(road)
    said = audited(road)
    assert faults(said) == {"lost": 7, "rejection_missing": 1}
    assert all(example["interaction_id"] for example in said["findings"]["lost"]["examples"])
    shown = run(road)
    assert shown.exit_code == 3
    assert "a contact-day without an interaction" in shown.stdout
    assert said["findings"]["lost"]["examples"][0]["source"] in shown.stdout


def test_a_replay_is_no_fault_and_a_lost_claim_is_found(road: Road, kafka_tool: Callable[..., Any]) -> None:
    """A reset emits the same again; another claim key forgets who was first, and a later event is emitted, too."""
    road.send(visit(contact, name=name) for name in ("first", "again") for contact in range(10))
    with road.worker():
        road.wait_settled()
    reset = ("--group", road.group, "--topic", road.topics.events, "--reset-offsets", "--to-earliest", "--execute")
    assert kafka_tool("kafka-consumer-groups", *reset).returncode == 0
    with road.worker():
        road.wait_settled()
    said = audited(road)
    assert (faults(said), said["counts"]["interactions_emitted_again"]) == ({}, 10)

    road.send(visit(contact, name="later") for contact in range(10))
    with road.worker(DAYMARK_CLAIM_KEY="another key, so that all is forgotten"):
        road.wait_settled()
    assert faults(audited(road)) == {"doubled": 10}


def test_a_time_range_narrows_it(road: Road) -> None:
    """What lies before and after is not judged; what lies in it is, with the interactions of before in sight."""
    road.send(visit(contact) for contact in range(10))
    with road.worker():
        road.wait_settled()
    ago, ahead = "2020-01-01", "2120-01-01T00:00:00Z"
    whole = audited(road, "--since", ago, "--until", ahead)
    assert (faults(whole), whole["counts"]["contact_days"]) == ({}, 10)
    before = audited(road, "--until", ago)
    assert (faults(before), before["counts"]["contact_days"]) == ({}, 0)
    assert before["counts"]["records_not_yet_judged"] == 10
    after = audited(road, "--since", ahead)
    assert (faults(after), after["counts"]["records_out_of_reach"]) == ({}, 10)


def test_what_the_outputs_no_longer_keep_is_not_judged(road: Road) -> None:
    """Rejections are deleted after 30 days: what became of older events is unknown."""
    producer = Producer({"bootstrap.servers": road.kafka})
    for days, (contact, body) in ((31, visit(1)), (31, ("", b"nonsense")), (29, visit(2)), (29, ("", b"nonsense"))):
        at_ms = (time.time_ns() // 1_000_000) - days * 86_400_000
        producer.produce(road.topics.events, body, contact, partition=0, timestamp=at_ms)
    assert producer.flush(30) == 0
    commit_all(road)
    said = audited(road)
    assert (faults(said), said["counts"]["contact_days"]) == ({"lost": 1, "rejection_missing": 1}, 1)


def test_what_is_in_an_open_transaction_is_waited_for(road: Road) -> None:
    """Where the outputs ended when the audit began, it reads to: a record there counts once it is committed."""
    road.send(visit(contact) for contact in range(3))
    with road.worker():
        road.wait_settled()
    [interaction, *_] = road.committed(road.topics.interactions)
    producer = Producer({"bootstrap.servers": road.kafka, "transactional.id": f"{road.topics.prefix}audit"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(road.topics.interactions, interaction.value, interaction.key, partition=interaction.partition)
    producer.flush(30)
    later = threading.Timer(2, producer.commit_transaction)
    later.start()
    said = audited(road)
    later.join()
    assert (faults(said), said["counts"]["interactions_emitted_again"]) == ({}, 1)
