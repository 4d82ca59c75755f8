"""`daymark audit` as a command: bad use, missing topics, an unavailable Kafka."""

import json
import socket
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from rich.console import Console

from daymark.auditing.findings import SETTINGS, Count, Counted, Example, Fault, Finding, Tally
from daymark.auditing.reach import Reach, Stretch
from daymark.auditing.report import Run, as_json, as_tables
from daymark.commands import audit
from schemas.topics import Topics


def run(kafka: str, *arguments: str, **environ: Any) -> Result:
    return CliRunner().invoke(audit.command, [*arguments], env={"DAYMARK_KAFKA": kafka, **environ})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--since", "yesterday"), "'yesterday' is not a time"),
        (("--since", "2020-01-02", "--until", "2020-01-02"), "--since must be before --until"),
        (("--temporary", "/nowhere"), "/nowhere"),
        (("--examples", "-1"), "--examples"),
    ],
)
def test_bad_use_is_said(arguments: tuple[str, ...], told: str) -> None:
    result = run("127.0.0.1:1", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_missing_topics_are_said(kafka: str) -> None:
    result = run(kafka, DAYMARK_TOPIC_PREFIX="nothing-here.")
    assert result.exit_code == 1
    assert all(topic.name in result.stderr for topic in Topics("nothing-here.").all())
    assert "daymark topics" in result.stderr


def test_a_kafka_that_is_away_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run(address)
    assert result.exit_code == 1
    assert address in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_group_that_has_committed_nothing_is_no_sound_one(kafka: str, topics: Topics) -> None:
    """A mistyped group must not be green for ever: while there are events, nothing committed is a failure to look."""
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topics.events, b"{}", b"key")
    assert producer.flush(30) == 0
    result = run(kafka, DAYMARK_TOPIC_PREFIX=topics.prefix, DAYMARK_GROUP=f"{topics.prefix}none")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: group {topics.prefix}none has committed no offsets of {topics.events}")
    assert "--group" in result.stderr


def test_empty_topics_are_sound(kafka: str, topics: Topics) -> None:
    """Of empty topics there is nothing to say."""
    result = run(kafka, DAYMARK_TOPIC_PREFIX=topics.prefix, DAYMARK_GROUP=f"{topics.prefix}none")
    assert result.exit_code == 0, result.output
    assert "Contact-days" in result.stdout


def test_the_report_says_what_was_found() -> None:
    """As JSON every finding and count, also zero; as a table the examples below."""
    tally = Tally(5)
    example = Example("3:17", "3:4", "some-id", ("url", "day"), "why")
    tally.take([Fault(Finding.WRONG_DAY, example), Counted(Count.CONTACT_DAYS, 1234)])
    reach, of = Reach({0: Stretch(5, 10, 30, lag=20, unread=2)}), Run("workers", {"t": 5}, 1.23456, "2026f")
    said = json.loads(json.dumps(as_json(of, reach, tally)))
    assert (said["sound"], said["lag"], said["deleted_unread"], said["seconds"]) == (False, 20, 2, 1.235)
    assert said["time_zones"] == "2026f"
    assert said["counts"] == dict.fromkeys(Count, 0) | {"contact_days": 1234}
    assert set(said["findings"]) == set(Finding)
    assert said["findings"]["lost"] == {"count": 0, "settings": list(SETTINGS[Finding.LOST]), "examples": []}
    assert said["findings"]["wrong_day"] == {
        "count": 1,
        "settings": ["DAYMARK_WORKSPACES"],
        "examples": [
            {"source": "3:17", "at": "3:4", "interaction_id": "some-id", "fields": ["url", "day"], "why": "why"}
        ],
    }
    console = Console(width=120)
    with console.capture() as shown:
        console.print(as_tables(of, reach, tally))
    assert "1,234" in shown.get()
    assert "2026f" in shown.get()
    assert "check DAYMARK_WORKSPACES" in shown.get()
    assert "wrong_day: event 3:17; record 3:4; some-id; differs in url, day; why" in shown.get()
