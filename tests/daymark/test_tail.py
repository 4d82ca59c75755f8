"""`daymark tail` shows what commits, decoded, as it commits."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Message, Producer

from daymark.commands import tail
from daymark.shown import COLUMNS, Wanted, as_json, as_text, decode
from schemas import avro
from schemas.topics import Topics
from tests import foreign

INSTANT_MS = 1_795_562_040_123  # 2026-11-24T23:14:00.123Z
INTERACTION = {
    "interaction_id": "2f6f3f7e-6b0a-5d5c-8f43-8a9c7a4b6c11",
    "workspace": "acme",
    "email": "peter@example.com",
    "day": 20781,
    "timestamp": INSTANT_MS,
    "description": "https://example.com",
    "described_by": "url",
    "url": "https://example.com",
    "received_at": INSTANT_MS,
    "source_partition": 3,
    "source_offset": 17,
}
TRAIT = {
    "workspace": "acme",
    "email": "peter@example.com",
    "name": "order_completed",
    "value": True,
    "kind": "audience",
    "membership": True,
    "timestamp": INSTANT_MS,
    "source_partition": 3,
    "source_offset": 17,
}
REJECTED = {
    "reason": "missing_email",
    "message": "Missing email address",
    "stage": "ingest",
    "raw": b"{}",
}


def message(value: bytes) -> Message:
    return Message(topic="t", partition=3, offset=41, value=value, timestamp=(1, INSTANT_MS))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (avro.INTERACTION.encode(INTERACTION), "acme  2026-11-24  peter@example.com  https://example.com  3:41"),
        (
            avro.TRAIT.encode(TRAIT),
            "acme  2026-11-24T23:14:00.123Z  peter@example.com  order_completed = True entered  3:41",
        ),
        (avro.REJECTED.encode(REJECTED), "-  rejected  missing_email: Missing email address (in ingest)  3:41"),
        (b"neither", "-  unreadable: neither Avro's single-object encoding nor Confluent's wire format  3:41"),
    ],
)
def test_a_record_is_one_readable_line(value: bytes, expected: str) -> None:
    assert as_text(decode(message(value))) == f"2026-11-24T23:14:00.123Z  {expected}"


def test_a_sender_cannot_write_to_the_terminal() -> None:
    """Control characters of a description are shown as such."""
    shown = as_text(decode(message(avro.INTERACTION.encode(INTERACTION | {"description": "\x1b[2Jx\ny"}))))
    assert "\ufffd[2Jx\ufffdy" in shown
    assert shown.isprintable()


def test_json_has_every_field_of_the_record_and_its_place() -> None:
    found = json.loads(as_json(decode(message(avro.INTERACTION.encode(INTERACTION)))))
    assert found | {"record": None} == {
        "topic": "t",
        "partition": 3,
        "offset": 41,
        "emitted_at": "2026-11-24T23:14:00.123Z",
        "schema": "TimelineInteraction",
        "record": None,
    }
    assert found["record"] | INTERACTION == found["record"] | {
        **INTERACTION,
        "day": 20781,
    }
    assert (found["record"]["day"], found["record"]["timestamp"]) == ("2026-11-24", "2026-11-24T23:14:00.123Z")


@pytest.mark.parametrize(
    ("raw", "expected"), [('{"a":"ë"}'.encode(), {"raw": '{"a":"ë"}'}), (b"Zo\xeb", {"raw_base64": "Wm/r"})]
)
def test_json_loses_no_byte_of_a_rejected_event(raw: bytes, expected: dict[str, str]) -> None:
    """Text where it is text, else base64 under a name that says so."""
    found = json.loads(as_json(decode(message(avro.REJECTED.encode(REJECTED | {"raw": raw})))))
    assert {name: value for name, value in found["record"].items() if name.startswith("raw")} == expected


@contextmanager
def tailing(kafka: str, topics: Topics, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run it as a process, and go on once it waits."""
    command = [sys.executable, "-m", "daymark", "tail", *arguments]
    environ = {"DAYMARK_KAFKA": kafka, "DAYMARK_TOPIC_PREFIX": topics.prefix, "PYTHONPATH": ":".join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("Waiting")
            yield process
        finally:
            process.kill()


def produce(kafka: str, *values: tuple[str, bytes], commit: bool = True) -> None:
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": f"tail-{values[0][0]}-{commit}"})
    producer.init_transactions()
    producer.begin_transaction()
    for topic, value in values:
        producer.produce(topic, value, b"key")
    if commit:
        producer.commit_transaction()
    else:
        producer.flush()
        producer.abort_transaction()


def test_what_commits_is_shown_and_what_does_not_is_not(kafka: str, topics: Topics) -> None:
    """Records of before and of aborted transactions are left out; the line is there while the program runs on."""
    produce(kafka, (topics.interactions, avro.INTERACTION.encode(INTERACTION | {"description": "before"})))
    with tailing(kafka, topics, "--json") as process:
        assert process.stdout is not None
        aborted = INTERACTION | {"description": "aborted"}
        produce(kafka, (topics.interactions, avro.INTERACTION.encode(aborted)), commit=False)
        produce(
            kafka,
            (topics.interactions, avro.INTERACTION.encode(INTERACTION)),
            (topics.rejected, avro.REJECTED.encode(REJECTED)),
        )
        shown = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert {line["topic"] for line in shown} == {topics.interactions, topics.rejected}
        assert {line["record"].get("description") for line in shown} == {"https://example.com", None}
        assert process.poll() is None
        process.send_signal(2)
        assert process.wait(60) == 130
        assert process.stderr is not None
        assert process.stderr.read() == "\n"  # after the terminal's ^C


def run(kafka: str, topics: Topics, *arguments: str) -> Any:
    environ = {"DAYMARK_KAFKA": kafka, "DAYMARK_TOPIC_PREFIX": topics.prefix}
    return CliRunner().invoke(tail.command, [*arguments], env=environ)


def test_from_the_beginning_and_so_many(kafka: str, topics: Topics) -> None:
    """--topic narrows, --count stops; the rest of the world is not waited for."""
    values = [(topics.traits, avro.TRAIT.encode(TRAIT | {"value": number})) for number in range(5)]
    produce(kafka, (topics.interactions, avro.INTERACTION.encode(INTERACTION)), *values)
    result = run(kafka, topics, "--from-beginning", "--topic", "traits", "--count", "3", "--timeout", "60")
    assert result.exit_code == 0
    assert [line.split("  ")[4] for line in result.stdout.splitlines()] == [
        f"order_completed = {number} entered" for number in range(3)
    ]


def test_filters_leave_the_rest_out(kafka: str, topics: Topics) -> None:
    """By workspace, contact (in any letter case, also of a rejection, whose key names it) and reason."""
    other = INTERACTION | {"workspace": "other", "email": "anna@example.com"}
    interactions = [(topics.interactions, avro.INTERACTION.encode(each)) for each in (INTERACTION, other)]
    rejected = [REJECTED, REJECTED | {"reason": "invalid_email"}]
    produce(kafka, *interactions, *((topics.rejected, avro.REJECTED.encode(each)) for each in rejected))

    def shown(*arguments: str) -> list[str]:
        result = run(kafka, topics, "--from-beginning", "--timeout", "4", *arguments)
        assert result.exit_code == 0, result.output
        return sorted(line.split("  ", 1)[1].rpartition("  ")[0] for line in result.stdout.splitlines())

    assert shown("--workspace", "other") == ["other  2026-11-24  anna@example.com  https://example.com"]
    assert shown("--email", " Peter@Example.com") == ["acme  2026-11-24  peter@example.com  https://example.com"]
    assert shown("--reason", "invalid_email") == ["-  rejected  invalid_email: Missing email address (in ingest)"]


def test_since_begins_in_the_past(kafka: str, topics: Topics) -> None:
    """What was emitted since then is shown, and what comes; of a time yet to come only what comes."""
    produce(kafka, (topics.interactions, avro.INTERACTION.encode(INTERACTION)))
    assert run(kafka, topics, "--since", "-1h", "--count", "1", "--timeout", "30").exit_code == 0
    assert run(kafka, topics, "--since", "2999-01-01", "--timeout", "1").stdout == ""
    assert run(kafka, topics, "--since", "-1h", "--from-beginning").exit_code == 2


def test_the_columns_are_explained_beside_the_records(kafka: str, topics: Topics) -> None:
    """A header on stderr for each kind that is shown: stdout holds records only. Programs get none."""
    result = run(kafka, topics, "--timeout", "0.1", "--topic", "traits")
    assert (result.stdout, result.stderr.splitlines()[0]) == ("", COLUMNS["ContactTrait"])
    assert run(kafka, topics, "--timeout", "0.1", "--json").stderr.startswith("Waiting")


@pytest.mark.parametrize("wanted", [Wanted(email="peter@example.com"), Wanted(workspace="acme"), Wanted(reason="x")])
def test_what_cannot_be_read_fits_no_filter(wanted: Wanted) -> None:
    assert Wanted().fits(decode(message(b"neither")))
    assert not wanted.fits(decode(message(b"neither")))


def test_what_cannot_be_decompressed_is_passed_over(kafka: str, topics: Topics) -> None:
    """With a notice, once; what comes after it in the partition is shown."""
    foreign.send(kafka, topics.rejected, b"key", b"\0" * foreign.BOMB_BYTES)
    produce(kafka, (topics.rejected, avro.REJECTED.encode(REJECTED)))
    result = run(kafka, topics, "--from-beginning", "--topic", "rejected", "--count", "1", "--timeout", "60")
    assert (result.exit_code, "missing_email" in result.stdout) == (0, True), result.output
    assert result.stderr.count("cannot be decompressed") == 1


def test_a_timeout_ends_it(kafka: str, topics: Topics) -> None:
    """Well, unless more was asked for than came."""
    started = time.monotonic()
    assert run(kafka, topics, "--timeout", "0.1").exit_code == 0
    result = run(kafka, topics, "--timeout", "0.1", "--count", "1")
    assert (result.exit_code, "only 0 of 1 records" in result.stderr) == (3, True)
    assert time.monotonic() - started < 60


def test_missing_topics_are_said(kafka: str) -> None:
    result = run(kafka, Topics("nothing-here."), "--topic", "interactions")
    assert result.exit_code == 1
    assert "nothing-here.timeline.interactions" in result.stderr
    assert "daymark topics" in result.stderr
