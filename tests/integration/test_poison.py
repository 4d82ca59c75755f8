"""No record of segment.events stops a partition, or a command that reads it, whatever somebody has written there."""

import json
from collections.abc import Sequence
from typing import Any

import click
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from daymark.commands import audit, claims, rejected, replay, why
from schemas.topics import Topics
from tests import foreign
from tests.flows import Road, visit


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def test_poison_messages_are_rejected(road: Road) -> None:
    """Large keys, values and headers, headers that are no text, and what cannot be decompressed: each is rejected."""
    topic = road.topics.events
    foreign.send(road.kafka, topic, b"k" * 480_000, b"v" * 540_000)
    foreign.send(road.kafka, topic, None, b"\0" * 30_000_000)
    foreign.send(road.kafka, topic, b"bomb", b"\0" * foreign.BOMB_BYTES)
    foreign.send(road.kafka, topic, b"headers", b"{}", ("workspace", b"w" * 900_000), ("received_at", b"1" * 90_000))
    foreign.send(road.kafka, topic, b"good", visit(1)[1], ("other", b"h" * 1_000_000))
    foreign.send_header(road.kafka, topic, b"work\xffspace", b"\xff")
    for key in ("bomb", "headers", "good", ""):  # behind each of them
        road.send((key, visit(contact)[1]) for contact in range(2, 4))
    with road.worker():
        road.wait_settled()
    assert sorted(interaction["email"] for interaction in road.interactions()) == [
        f"contact-{contact}@example.org" for contact in range(1, 4)
    ]
    found = sorted((rejection["reason"], rejection["workspace"] is None) for rejection in road.rejections())
    assert found == [
        ("malformed_json", True),
        ("too_large", False),
        ("too_large", False),
        ("too_large", True),
        ("too_large", True),
    ]

    assert said(road, audit.command, "--no-replays")["sound"]
    asked = said(road, why.command, "contact-2@example.org", "--since", "-1h", "--everywhere")
    assert len(asked["events"]) == 4
    letters = said(road, rejected.command, "resend")["letters"]
    assert sum(sum(reasons.values()) for reasons in letters.values()) == 5
    assert said(road, claims.command, "check")["days"]
    assert said(road, replay.command, "--from", "earliest")["again"] == 14


def write_one_batch(road: Road, partition: int, values: Sequence[bytes]) -> None:
    config = {"bootstrap.servers": road.kafka, "compression.type": "zstd", "linger.ms": 5000, "log_level": 0}
    sizes = dict.fromkeys(("message.max.bytes", "batch.size"), 1_000_000_000)
    producer = Producer({**config, **sizes, "queue.buffering.max.kbytes": 2_000_000})
    for value in values:
        producer.produce(road.topics.events, value, partition=partition)
    assert producer.flush(60) == 0


def said(road: Road, command: click.Command, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(command, [*arguments, "--json"], env=road.environment)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_batch_of_several_records_that_cannot_be_decompressed(road: Road) -> None:
    """Worker and audit take them one by one, and agree; what is before and behind them in the partition counts."""
    road.send([("bomb", visit(1)[1])])
    [first] = road.committed(road.topics.events)
    write_one_batch(road, first.partition, [b"\0" * (foreign.BOMB_BYTES // 3)] * 4)
    road.send([("bomb", visit(2)[1])])
    with road.worker():
        road.wait_settled()
    assert [rejection["reason"] for rejection in road.rejections()] == ["too_large"] * 4
    judged = said(road, audit.command, "--no-replays")
    assert (judged["sound"], judged["counts"]["contact_days"]) == (True, 2)
