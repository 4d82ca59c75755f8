"""`daymark topics` creates what is missing and says what differs."""

import json
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from daymark import metadata
from daymark.commands import topics as topics_command
from daymark.commands.topics import settle
from daymark.topic_states import Found, Wanted, differences, want
from schemas.topics import Topic, Topics

SETTINGS = {"cleanup.policy": "compact,delete", "retention.ms": "7776000000"}
WANTED = Wanted("t", 12, 1, SETTINGS)


def run(kafka: str, mine: Topics, *arguments: str) -> Result:
    environ = {"DAYMARK_KAFKA": kafka, "DAYMARK_TOPIC_PREFIX": mine.prefix}
    return CliRunner().invoke(topics_command.command, [*arguments], env=environ)


def states(result: Result) -> dict[str, str]:
    return {row["topic"]: row["state"] for row in json.loads(result.stdout)}


@pytest.fixture
def unmade(kafka: str) -> Iterator[Topics]:
    """Names of topics that are not there; they are deleted afterwards."""
    mine = Topics(f"t{uuid.uuid4().hex[:12]}.")
    yield mine
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.delete_topics([topic.name for topic in mine.all()]).values():
        with suppress(KafkaException):  # not made
            future.result(60)


def test_what_is_missing_is_created_as_the_contract_says(kafka: str, unmade: Topics) -> None:
    """12 partitions, clean-up and retention; a second run finds all well and changes nothing."""
    first = run(kafka, unmade, "--json")
    assert (first.exit_code, first.stderr) == (0, "")
    assert states(first) == {topic.name: "created" for topic in unmade.all()}
    again = run(kafka, unmade, "--json")
    assert again.exit_code == 0
    assert states(again) == {topic.name: "ok" for topic in unmade.all()}
    assert {row["partitions"] for row in json.loads(again.stdout)} == {12}
    assert unmade.events in run(kafka, unmade).stdout


def test_unequal_partitions_are_said_and_nothing_is_created(kafka: str, unmade: Topics) -> None:
    """The topic that a broker made by itself is the usual trap."""
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(unmade.events, 1)])[unmade.events].result(60)
    metadata.showing((unmade.events,), lambda: admin.list_topics(timeout=30), within_s=30)
    result = run(kafka, unmade, "--json")
    assert result.exit_code == 3
    assert states(result) == {topic.name: "missing" for topic in unmade.all()} | {unmade.events: "differs"}
    rows = {row["topic"]: row for row in json.loads(result.stdout)}
    assert any("1 partitions, expected 12" in why for why in rows[unmade.events]["why"])
    assert any("retention.ms" in why for why in rows[unmade.events]["why"])
    chosen = run(kafka, unmade, "--json", "--partitions", "1")
    assert states(chosen) == {topic.name: "created" for topic in unmade.all()} | {unmade.events: "differs"}
    assert chosen.exit_code == 3  # its retention differs still


def test_a_topic_that_somebody_else_just_made_is_looked_at(kafka: str, unmade: Topics) -> None:
    """What was not there when it was asked for may be there, and differ, when it is to be created."""
    admin = AdminClient({"bootstrap.servers": kafka})
    before = admin.list_topics(timeout=30)
    admin.create_topics([NewTopic(unmade.events, 1)])[unmade.events].result(60)
    wanted = [want(topic, topic.partitions, 1) for topic in unmade.all()]
    assert [state.state for state in settle(admin, before, wanted)] == ["differs", "created", "created", "created"]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Found(12, 1, SETTINGS), []),
        (Found(12, 3, {**SETTINGS, "cleanup.policy": "delete,compact"}), []),
        (Found(6, 1, SETTINGS), ["6 partitions, expected 12 (or pass --partitions 6)"]),
        (Found(12, 0, SETTINGS), ["replication factor 0, expected 1"]),
        (
            Found(12, 1, {"cleanup.policy": "compact"}),
            ["cleanup.policy is compact, expected compact,delete", "retention.ms is None, expected 7776000000"],
        ),
    ],
)
def test_what_differs_is_told_line_by_line(found: Found, expected: list[str]) -> None:
    assert list(differences(WANTED, found)) == expected


@pytest.mark.parametrize(("replication", "in_sync"), [(1, None), (2, None), (3, "2"), (5, "2")])
def test_three_copies_want_two_in_sync(replication: int, in_sync: str | None) -> None:
    topic = Topic("t", 12, SETTINGS)
    assert want(topic, 12, replication).settings.get("min.insync.replicas") == in_sync


def test_a_broker_that_is_not_there_is_said_soon() -> None:
    """One line that says where was asked and what to look at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        started = time.monotonic()
        result = run(address, Topics())
    assert result.exit_code == 1
    assert address in result.stderr
    assert "DAYMARK_KAFKA" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert time.monotonic() - started < 30


def test_more_copies_than_brokers_is_said(kafka: str, unmade: Topics) -> None:
    result = run(kafka, unmade, "--replication", "50")
    assert result.exit_code == 1
    assert "replication" in result.stderr.lower()
