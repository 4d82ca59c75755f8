"""End to end with everything encrypted and least privilege as in docs/operations.md; a missing permission is named."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from daymark.kafka_options import option_faults
from daymark.local.kit import Kit
from schemas.topics import Topics
from schemas.workspace import digest
from tests.docs import ROOT
from tests.edge import authority, secured
from tests.edge.secured import Right, SecuredKafka
from tests.flows import Process, Road
from tests.ingest import wire
from tests.ingest.fake_server import KEY

TOPICS = Topics()
TEXT = (ROOT / "docs/operations.md").read_text("utf-8")
(REDIS_RIGHTS,) = re.findall(r"`(resetkeys [^`]*)`", TEXT)


def _rights() -> Mapping[str, list[Right]]:
    """Return docs/operations.md's table of permissions: by part, what it needs."""
    found: dict[str, list[Right]] = {}
    row = re.compile(r"^\| `daymark (\w+)` \| (topic|group|transactional_id) \| `(.+)` \| (.+) \|$", re.MULTILINE)
    for part, kind, names, operations in row.findall(TEXT):
        found.setdefault(part, []).extend(
            Right(kind, name, operation) for name in names.split("`, `") for operation in operations.split(", ")
        )
    return found


RIGHTS = _rights()
SASL = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "worker",
    "sasl.password": "secret",
}
WORDS = {
    "topic": "Topic authorization failed; grant {operation} on topic {name}",
    "group": "Group authorization failed; grant {operation} on group {name}",
    "transactional_id": "Transactional Id authorization failed; grant {operation} on transactional_id {name}",
}


class Secured:
    """The parts, and how each of Daymark's commands is started on them."""

    def __init__(self, kafka: SecuredKafka, redis_url: Callable[[str], str], folder: Path) -> None:
        self.kafka, self._redis_url = kafka, redis_url
        self._workspaces = folder / "workspaces.toml"
        self._workspaces.write_text(f'[workspaces.acme]\nkeys = ["sha256:{digest(KEY).hex()}"]\n')

    def start(self, user: str, *command: str, redis_user: str = "worker") -> Process:
        """Start a command as a user of Kafka and, should it need it, of Redis."""
        road = Road(self.kafka.bootstrap, self._redis_url(redis_user), TOPICS, b"a claim key of tests/edge")
        return road.start(
            *command,
            **self.kafka.environment(user),
            DAYMARK_WORKSPACES=str(self._workspaces),
            DAYMARK_HTTP="127.0.0.1:0",
            DAYMARK_GROUP="daymark",
            DAYMARK_SLOT="0",
        )


@pytest.fixture(scope="module")
def parts(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The parts, with a user for each part in that table, and the topics, made by the one who may."""
    folder = tmp_path_factory.mktemp("secured")
    files = authority.make(folder)
    users = {"worker": REDIS_RIGHTS, "no-eval": f"{REDIS_RIGHTS} -eval -evalsha", "no-key": "resetkeys ~x* +@all"}
    with (
        secured.secured_kafka(kit, folder / "kafka", files) as kafka,
        secured.secured_valkey(folder / "valkey", files, users) as redis_url,
    ):
        for user, rights in RIGHTS.items():
            kafka.let(user, rights)
        made = Secured(kafka, redis_url, folder)
        topics = made.start("topics", "topics", "--partitions", "3", "--wait", "20")
        assert topics.wait() == 0, topics.said
        yield made


def test_the_whole_road(parts: Secured) -> None:
    """An event becomes an interaction, and a bad one a rejection, with the rights of that table and no others."""
    contact = "whole-road@example.com"  # a replay of another test emits that one's interactions again
    tails = [
        parts.start("tail", "tail", "--json", "--count", "1", "--timeout", "60", *wanted)
        for wanted in (("--email", contact), ("--reason", "missing_email"))
    ]
    ingest, worker = parts.start("ingest", "ingest"), parts.start("process", "process")
    try:
        for tail in tails:
            tail.wait_for("Waiting for commits")
        address = _address(ingest)
        event = wire.post(wire.event(traits={"email": contact}))
        wire.until(lambda: wire.exchange(address, event).status == 200, 30)
        assert wire.exchange(address, wire.post(b"{}")).code == "missing_email"
        assert [tail.wait() for tail in tails] == [0, 0], [process.said for process in (*tails, ingest, worker)]
        emitted, rejected = (json.loads(re.findall(r"^\{.*", tail.said, re.MULTILINE)[0])["record"] for tail in tails)
        assert (emitted["email"], rejected["reason"]) == (contact, "missing_email")
    finally:
        statuses = [process.end() for process in (ingest, worker, *tails)]
    assert statuses == [0] * 4, ingest.said + worker.said


def test_a_worker_that_lacks_a_right_of_kafka_names_it(parts: Secured) -> None:
    """Each right of a worker is one without which it does not work, and it says which: none is too much."""
    for number, lacking in enumerate(RIGHTS["process"]):
        parts.kafka.let(f"worker-{number}", [right for right in RIGHTS["process"] if right != lacking])
        worker = parts.start(f"worker-{number}", "process")
        try:
            worker.wait_for(re.escape(WORDS[lacking.kind].format(**lacking._asdict())), 60)
        finally:
            worker.end()


def test_a_worker_that_may_not_see_limits(parts: Secured) -> None:
    """DescribeConfigs is optional: with it nothing is said, without it each topic and what to grant; both work."""
    written = (TOPICS.interactions, TOPICS.traits, TOPICS.rejected)
    parts.kafka.let("sees", [*RIGHTS["process"], *(Right("topic", name, "DescribeConfigs") for name in written)])
    for user, unknown in (("sees", []), ("process", sorted(written))):
        worker = parts.start(user, "process")
        try:
            worker.wait_for("partitions.assigned")
            lines = [json.loads(line) for line in worker.said.splitlines() if "limits.unknown" in line]
            assert sorted(line["topic"] for line in lines) == unknown
            assert all(f"grant DescribeConfigs on topic {line['topic']}" in line["advice"] for line in lines)
        finally:
            worker.end()
    ingest = parts.start("ingest", "ingest")
    try:
        ingest.wait_for(f"grant DescribeConfigs on topic {TOPICS.events}")
    finally:
        ingest.end()


@pytest.mark.parametrize(("user", "said"), [("no-eval", "'evalsha'"), ("no-key", "a key")])
def test_a_worker_that_lacks_a_right_of_redis_names_it(parts: Secured, user: str, said: str) -> None:
    """What Redis refuses ends the worker with Redis's own words, before it has anything to claim."""
    ingest = parts.start("ingest", "ingest")
    try:
        wire.until(lambda: wire.exchange(_address(ingest), wire.post()).status == 200, 30)
    finally:
        ingest.end()
    worker = parts.start("process", "process", redis_user=user)
    try:
        assert worker.wait() == 1
        assert re.search(
            f"Redis refuses this worker: .*{said}.*; grant DAYMARK_REDIS's user the permissions", worker.said
        )
    finally:
        worker.end()


def test_ingest_that_may_not_write(parts: Secured) -> None:
    """Nothing is answered 200 that may not be written; a metric has Kafka's word for it, and a line the right."""
    rights = [right for right in RIGHTS["ingest"] if right.name != TOPICS.events]
    parts.kafka.let("reader", [*rights, Right("topic", TOPICS.events, "Describe")])
    ingest = parts.start("reader", "ingest")
    try:
        ingest.wait_for("kafka.reached")
        for _ in range(3):
            assert wire.exchange(_address(ingest), wire.post()).code == "unavailable"
        said = [json.loads(line) for line in ingest.said.splitlines() if "topic.refused" in line]
        assert [line["advice"] for line in said] == [f"grant Write on topic {TOPICS.events}"]
        failures = 'daymark_ingest_delivery_failures_total{error="TOPIC_AUTHORIZATION_FAILED"}'
        assert wire.metric(_address(ingest, "admin"), failures) == 3
    finally:
        ingest.end()


@pytest.mark.parametrize("command", ["ingest", "process", "topics", "tail", "audit", "simulate --to topic"])
def test_an_unknown_user(parts: Secured, command: str) -> None:
    """Where Kafka does not know the user or the password, that is what is said; only ingest goes on trying."""
    process = parts.start("nobody", *command.split())
    try:
        process.wait_for("uthentication failed")
        assert command == "ingest" or process.wait() == 1
    finally:
        process.end()


def test_an_audit(parts: Secured) -> None:
    """It sees all that it must with the rights of that table."""
    contact = "audited@example.com"
    tail = parts.start("tail", "tail", "--json", "--count", "1", "--timeout", "60", "--email", contact)
    ingest, worker = parts.start("ingest", "ingest"), parts.start("process", "process")
    try:
        tail.wait_for("Waiting for commits")
        event = wire.post(wire.event(traits={"email": contact}))
        wire.until(lambda: wire.exchange(_address(ingest), event).status == 200, 30)
        assert tail.wait() == 0, tail.said + worker.said
    finally:
        for process in (ingest, worker, tail):
            process.end()
    audit = parts.start("audit", "audit", "--json")
    try:
        assert audit.wait() in {0, 3}, audit.said
        (said,) = (json.loads(line) for line in audit.said.splitlines() if line.startswith("{"))
        # In another test somebody is forgotten, then all is read again: that one's contact-day returns.
        assert {name for name, finding in said["findings"].items() if finding["count"]} <= {"returned"}
    finally:
        audit.end()


@pytest.mark.timeout(600)  # many processes, one after the other
def test_what_an_operator_does(parts: Secured) -> None:
    """Each command does its work with the rights of that table."""
    ingest, worker = parts.start("ingest", "ingest"), parts.start("process", "process")
    try:
        wire.until(lambda: wire.exchange(_address(ingest), wire.post(b"{}")).code == "missing_email", 30)
        worker.wait_for("partitions.assigned")
        doctor = parts.start("doctor", "doctor")
        assert doctor.wait() == 0, doctor.said
        wire.until(lambda: wire.exchange(_address(ingest), wire.post()).status == 200, 30)
        why = parts.start("why", "why", "peter@example.com")
        assert why.wait() == 0, why.said
    finally:
        ended = ingest.end(), worker.end()
    assert ended == (0, 0)
    for user, command in (
        ("claims", ("claims", "rebuild", "--execute", "--force")),
        ("rejected", ("rejected", "resend", "--execute")),
        ("forget", ("forget", "peter@example.com", "--execute")),
    ):
        process = parts.start(user, *command)
        assert process.wait() == 0, process.said
    replay = parts.start("replay", "replay", "--from", "earliest", "--execute", "--wait")
    try:
        replay.wait_for("is rewound")
    finally:
        replay.end()


def test_a_backfill(parts: Secured, tmp_path: Path) -> None:
    """It needs its group and its transactional id besides, whose names are in its state, and says what is refused."""
    event, state = tmp_path / "event.json", tmp_path / "state"
    event.write_text('{"type": "identify", "traits": {"email": "b@example.com"}, "timestamp": "2020-05-01"}')
    command = ("backfill", str(event), "--workspace", "acme", "--state", str(state))
    refused = parts.start("backfill", *command)
    assert refused.wait() == 1
    assert "Transactional Id authorization failed" in refused.said
    with closing(sqlite3.connect(state)) as database:
        ((name,),) = database.execute("SELECT 'daymark-backfill-' || id FROM run")
    parts.kafka.let("backfill", [Right("group", name, "Read"), Right("transactional_id", name, "Write")])
    for _ in range(2):
        sent = parts.start("backfill", *command)
        assert sent.wait() == 0, sent.said
        assert re.search(r"sent +1 ", sent.said)
    tail = parts.start("tail", "tail", "--count", "1", "--timeout", "60", "--email", "b@example.com")
    tail.wait_for("Waiting for commits")
    worker = parts.start("process", "process")  # leaves nothing behind for an audit
    try:
        assert tail.wait() == 0, tail.said + worker.said
    finally:
        worker.end()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (SASL, []),
        ({**SASL, "sasl.mechanism": "NONSENSE"}, ["DAYMARK_KAFKA_SECURITY_PROTOCOL"]),
        ({"security.protocol": "SASL", "linger": "5"}, ["DAYMARK_KAFKA_LINGER", "DAYMARK_KAFKA_SECURITY_PROTOCOL"]),
    ],
)
def test_options_are_judged_together(options: dict[str, str], named: list[str]) -> None:
    """A protocol with SASL is a fault only where the mechanism given beside it is one."""
    assert sorted(fault.partition(":")[0] for fault in option_faults(options)) == named


def _address(ingest: Process, which: str = "http") -> wire.Address:
    host, _, port = json.loads(ingest.wait_for(r'\{.*"ingest\.started".*\}'))[which].rpartition(":")
    return host, int(port)
