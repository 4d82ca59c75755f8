"""`daymark audit --follow`: what a live cluster does wrong is found within seconds, a replay is no fault."""

import json
import urllib.request

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas import avro
from schemas.topics import Topics
from tests.flows import Committed, Process, Road, visit, wait_until
from tests.made import PARTITIONS


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def figures(process: Process) -> dict[str, float]:
    """Return what is not 0 of the findings, by finding, and the other figures by name."""
    address = json.loads(process.wait_for(r'\{.*"audit\.started".*\}'))["metrics"]
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line.startswith("daymark_audit_")]
    found = {}
    for name, _, figure in (line.rpartition(" ") for line in lines):
        if float(figure) and "_created" not in name:
            found[name.removeprefix("daymark_audit_").removeprefix('findings_total{finding="').removesuffix('"}')] = (
                float(figure)
            )
    found.pop("last_cycle_timestamp_seconds", None)
    return found


def emit_again(road: Road, like: Committed, **changed: object) -> None:
    producer = Producer({"bootstrap.servers": road.kafka})
    value = avro.INTERACTION.encode(like.fields | changed) if changed else like.value
    producer.produce(road.topics.interactions, value, like.key, partition=like.partition)
    assert producer.flush(30) == 0


def stood(road: Road, group: str) -> int:
    """Return the sum of a group's offsets."""
    consumer = Consumer({"bootstrap.servers": road.kafka, "group.id": group})
    try:
        places = [TopicPartition(road.topics.events, number) for number in range(PARTITIONS)]
        return sum(place.offset for place in consumer.committed(places, 20))
    finally:
        consumer.close()


def move(road: Road, *, back: bool) -> None:
    """Set the group to the beginning or to the end of the raw events."""
    consumer = Consumer({"bootstrap.servers": road.kafka, "group.id": road.group})
    topic = road.topics.events
    places = [TopicPartition(topic, number) for number in consumer.list_topics(topic, 10).topics[topic].partitions]
    for place in places:
        place.offset = 0 if back else consumer.get_watermark_offsets(place, 10, cached=False)[1]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


@pytest.mark.timeout(600)  # many processes, one after the other
def test_what_goes_wrong_is_found_at_once(road: Road) -> None:
    """Right, replayed, emitted again without a replay, doubled, lost: each is reported once, and correctly.

    Killed and started again, it judges what went wrong meanwhile, and nothing a second time.
    """
    road.send([*(visit(contact) for contact in range(10)), ("", b"nonsense")])
    with road.worker():
        road.wait_settled()
    audit = road.start("audit", "--follow", "--every", "1")
    try:
        assert figures(audit) == {}
        road.send([*(visit(contact, day, "x") for contact in range(10) for day in (1, 2)), ("", b"nonsense")])
        with road.worker("1"):
            wait_until(lambda: figures(audit).get("events_total") == 21, "all is judged", every_s=0.5)
        assert figures(audit) == {"events_total": 21}

        move(road, back=True)
        wait_until(lambda: "resets_total" in figures(audit), "the reset is seen", every_s=0.5)
        with road.worker("2"):
            wait_until(lambda: figures(audit).get("emitted_again_total") == 22, "all is replayed", every_s=0.5)
        seen = figures(audit)
        assert {name: seen[name] for name in seen if name not in {"resets_total", "lag_records"}} == {
            "events_total": 21,
            "emitted_again_total": 22,
        }

        road.send([visit(40)])
        with road.worker("3"):
            wait_until(lambda: figures(audit).get("events_total") == 22, "one more is judged", every_s=0.5)
        last = next(each for each in road.committed(road.topics.interactions) if "contact-40@" in each.fields["email"])
        emit_again(road, last)
        wait_until(lambda: figures(audit).get("reemitted") == 1, "a late request is found", every_s=0.5)
        emit_again(road, last, description="another")
        wait_until(lambda: figures(audit).get("doubled") == 1, "a doubling is found", every_s=0.5)
        road.send([visit(50), visit(51)])
        move(road, back=False)
        wait_until(lambda: figures(audit).get("lost") == 2, "a loss is found", every_s=0.5)
        road.send([visit(50)])
        move(road, back=False)
        wait_until(lambda: figures(audit)["events_total"] == 25, "its repeat is judged", every_s=0.5)
        assert figures(audit)["lost"] == 2
        assert "audit.example" in audit.said
        wait_until(lambda: stood(road, f"{road.group}-audit") == stood(road, road.group), "it is noted", every_s=0.5)
        audit.kill()
        road.send([visit(60), visit(61), visit(62)])
        move(road, back=False)
        emit_again(
            road, next(each for each in road.committed(road.topics.interactions) if "-1@" in each.fields["email"])
        )
        audit = road.start("audit", "--follow", "--every", "1")
        wait_until(lambda: figures(audit).get("events_total") == 3, "it goes on", every_s=0.5)
        assert figures(audit) == {"events_total": 3, "lost": 3, "emitted_again_total": 1}
    finally:
        assert audit.end() == 0
