"""`daymark rejected`: a wrong format rejects good events; they are found, shown and sent again, each once."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer

from daymark.auditing import reading
from daymark.bar import Bar
from daymark.commands import audit, rejected
from daymark.instant import shown
from daymark.resending.letters import Letter, Marks, Reader, Wanted
from daymark.resending.mending import Event
from daymark.resending.sending import NotSent, Resend, Sender
from schemas.rejections import MISSING_TIMESTAMP, UNSUPPORTED_TYPE, Rejection
from schemas.topics import Topics
from tests.flows import Road, visit, wait_until

STEPS = ("events", "marks", "commit")


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def run(road: Road, *arguments: str) -> Result:
    return CliRunner().invoke(rejected.command, arguments, env=road.environment)


def said(road: Road, *arguments: str) -> dict[str, Any]:
    result = run(road, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def resent(found: dict[str, Any]) -> dict[str, int]:
    return {name: sum(reasons.values()) for name, reasons in found["letters"].items() if reasons}


@pytest.mark.timeout(600)  # many processes, one after the other
def test_what_a_wrong_format_rejected_is_sent_again_once(road: Road, tmp_path: Path) -> None:
    """Counted, listed and shown; a plan sends nothing; after the fix each comes once, however often it is run."""
    file = tmp_path / "workspaces.toml"
    file.write_text('[workspaces.w.format]\nemail = "user.mail"\n')
    road.environment["DAYMARK_WORKSPACES"] = str(file)
    track = json.dumps({"type": "track", "traits": {"email": "t@example.org"}}).encode()
    road.send([*(visit(contact) for contact in range(8)), ("", b'{"traits": nonsense}'), ("t@example.org", track)])
    road.refuse([visit(contact)[1] for contact in range(8, 12)], MISSING_TIMESTAMP)
    road.refuse([visit(20)[1]], Rejection(MISSING_TIMESTAMP.reason, "Missing timestamp (part 1 of 2)"))
    road.refuse([json.dumps({"traits": {"email": "no-type@example.org"}, "timestamp": 1}).encode()], UNSUPPORTED_TYPE)
    with road.worker():
        road.wait_settled()

    counts = said(road, "counts")
    assert (counts["rejected"], counts["resent"]) == (16, 0)
    assert Counter({each["reason"]: each["rejected"] for each in counts["groups"]})["missing_email"] == 8
    assert "missing_email" in run(road).stdout
    listed = [
        json.loads(line) for line in run(road, "list", "--json", "--reason", "malformed_json").stdout.splitlines()
    ]
    assert [each["stage"] for each in listed] == ["processor"]
    show = run(road, "show", listed[0]["record"]).stdout
    assert '  {"traits": nonsense}\n> ' + " " * 11 + "^\n" in show
    assert "now: would be rejected again: malformed_json" in show
    assert run(road, "show", "0:99999").exit_code == 3
    assert run(road, "show", "nowhere").exit_code == 2

    file.write_text("")  # the fix
    assert resent(said(road, "resend")) == {"ready": 12, "still_rejected": 3, "incomplete": 1}
    assert resent(said(road, "resend", "--stage", "ingest", "--reason", "missing_timestamp")) == {
        "ready": 4,
        "incomplete": 1,
    }
    assert road.lag() == 0  # nothing was sent
    first = json.loads(run(road, "list", "--json", "--reason", "missing_email").stdout.splitlines()[0])
    before = shown(rejected._now_ms())
    assert said(road, "resend", first["record"], "--execute")["sent"] == 1
    assert said(road, "resend", "--execute")["sent"] == 11
    again = said(road, "resend", "--execute")
    assert (again["sent"], resent(again)) == (0, {"sent_before": 12, "still_rejected": 3, "incomplete": 1})
    assert said(road, "counts")["resent"] == 12

    with road.worker("1"):
        # Not until the lag is 0: the marker of a resend's transaction at a log's end counts as one.
        wait_until(lambda: len(road.interactions()) >= 12, "what was sent again is taken", every_s=0.5)
    emails = Counter(each["email"] for each in road.interactions())
    assert emails == {f"contact-{contact}@example.org": 1 for contact in range(12)}
    judged = CliRunner().invoke(audit.command, ["--since", before, "--json", "--no-replays"], env=road.environment)
    assert (judged.exit_code, json.loads(judged.stdout)["counts"]["contact_days"]) == (0, 12)


class Killed(Exception):
    """Ends a resend where it stands: it neither commits nor aborts, as SIGKILL."""


@pytest.fixture
def consumer(road: Road) -> Iterator[Consumer]:
    made = Consumer({"bootstrap.servers": road.kafka, **reading.CONFIG, "group.id": road.group})
    yield made
    made.close()


def letters(road: Road, consumer: Consumer) -> tuple[list[Letter], Marks]:
    topic = road.topics.rejected
    ends = reading.bounds(consumer, topic, range(4))
    reader, marks = Reader(consumer, topic, ends, None, Bar()), Marks()
    reader.note(marks)
    return [*reader.letters(Wanted())], marks


def events(road: Road) -> Counter[bytes]:
    return Counter(record.key for record in road.committed(road.topics.events))


def sender(road: Road, consumer: Consumer, kill_at: str = "") -> Sender:
    def step(name: str) -> None:
        if name == kill_at:
            raise Killed

    return Sender(
        {"bootstrap.servers": road.kafka, "log_level": 0}, road.topics, lambda: letters(road, consumer)[1], step
    )


def test_a_resend_that_is_killed_sends_nothing_twice(road: Road, consumer: Consumer) -> None:
    """Killed at each step, then run again, then once more; and one beside another is fenced."""
    road.refuse([visit(contact)[1] for contact in range(5)], MISSING_TIMESTAMP)
    found, _ = letters(road, consumer)
    resends = [Resend(letter, Event(b"%d" % letter.partition, letter.raw, "w")) for letter in found]
    for name in STEPS:
        with pytest.raises(Killed):
            sender(road, consumer, name).send(resends)
    assert sender(road, consumer).send(resends[:3]) == 3
    assert sender(road, consumer).send(resends) == 2
    assert sender(road, consumer).send(resends) == 0
    assert events(road).total() == 5
    assert all((letter.partition, letter.offset) in letters(road, consumer)[1] for letter in found)


def test_of_two_at_once_one_gives_way(road: Road, consumer: Consumer) -> None:
    """The one that began later goes on; the other says so, and has sent nothing."""
    road.refuse([visit(1)[1]], MISSING_TIMESTAMP)
    found, _ = letters(road, consumer)
    resends = [Resend(letter, Event(b"key", letter.raw, "w")) for letter in found]

    def beside(name: str) -> None:
        if name == "commit":
            assert sender(road, consumer).send(resends) == 1

    config = {"bootstrap.servers": road.kafka, "log_level": 0}
    early = Sender(config, road.topics, lambda: letters(road, consumer)[1], beside)
    with pytest.raises(NotSent, match="another"):
        early.send(resends)
    assert events(road) == {b"key": 1}
