"""`daymark simulate` sends what it says, and its figures are true."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from daymark.commands import keys, simulate
from daymark.local import ports
from schemas import avro, segment, timestamps
from schemas.identify import Identify
from schemas.topics import Topics
from tests.daymark import endpoint
from tests.daymark.ups import pretend

ARGUMENTS = [
    "--json",
    "--contacts=50",
    "--days=2",
    "--start-day=2026-11-20",
    "--repeat=1.5",
    "--retries=0.1",
    "--invalid=0.2",
]
EVENTS, INTERACTIONS, RETRIES, INVALID = 195, 100, 15, 30


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(simulate.command, [*ARGUMENTS, *arguments], env=environ)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where running ones are noted


def test_over_http_its_figures_are_true() -> None:
    """One line of JSON; what was taken and refused is what the summary says."""
    with endpoint.serving(503) as server:
        result = run("--url", server.url, "--batch", "10", "--gzip", DAYMARK_KEY="key")
    assert (result.exit_code, result.stderr) == (0, "")
    summary = json.loads(result.stdout)
    assert (summary["events"], summary["sent"], summary["retries"]) == (EVENTS, EVENTS, RETRIES)
    assert (summary["contact_days"], summary["expected_interactions"]) == (INTERACTIONS, INTERACTIONS)
    assert summary["rejected"] == summary["expected_rejections"] == dict(server.refused)
    assert sum(summary["rejected"].values()) == INVALID
    assert (summary["answers"]["503"], summary["tried_again"], summary["failed"]) == (1, 1, 0)
    found = [segment.read(body, endpoint.NOW_MS) for body in server.taken]
    days = {(one.email, one.timestamp_ms // 86_400_000) for one in found if isinstance(one, Identify)}
    assert (len(server.taken), len(days)) == (EVENTS - INVALID, INTERACTIONS)


def test_the_summary_reads_well() -> None:
    with endpoint.serving() as server:
        result = CliRunner().invoke(
            simulate.command, ["--contacts", "3", "--url", server.url], env={"DAYMARK_KEY": "key"}
        )
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert {"Events sent 3 of 3", "Distinct contact-days 3", "Expected interactions 3", "HTTP 200 3"} <= set(lines)
    assert "Expected properties 3" in lines


LIFE = ["--json", "--contacts=60", "--deltas=6", "--resyncs=1", "--replays=1", "--out-of-order=0.1", "--repeated=0.1"]


def live(*arguments: str) -> Result:
    return CliRunner().invoke(simulate.command, [*LIFE, *arguments], env={"DAYMARK_KEY": "key"})


def test_the_truth_of_a_life_is_that_of_its_calls() -> None:
    """What the server took has, by the newest timestamps, the values in the file, and as many contact-days."""
    with endpoint.serving() as server:
        result = live("--url", server.url, "--start-day=2026-11-20", "--workspace=acme", "--truth=truth.ndjson")
    assert (result.exit_code, result.stderr) == (0, "")
    summary = json.loads(result.stdout)
    found = [segment.read(body, endpoint.NOW_MS) for body in server.taken]
    taken = sorted((one for one in found if isinstance(one, Identify)), key=lambda one: one.timestamp_ms)
    newest = {
        ("acme", one.email, change.name): (change.value, change.membership) for one in taken for change in one.changes
    }
    lines = [json.loads(line) for line in Path("truth.ndjson").read_text().splitlines()]
    truth = {(one["workspace"], one["email"], one["name"]): (one["value"], one["membership"]) for one in lines}
    assert truth == newest
    assert (len(lines), len(taken)) == (summary["expected_properties"], summary["answers"]["200"])
    assert len({(one.email, one.timestamp_ms // 86_400_000) for one in taken}) == summary["expected_interactions"]
    assert summary["rejected"] == summary["expected_rejections"] == dict(server.refused)
    assert summary["late"] > 0 < summary["replayed"]


def test_a_life_ends_now() -> None:
    """Its last hour is the one that ends now, whatever the time is."""
    before_ms = time.time_ns() // 1_000_000
    script = simulate._life(simulate.command.make_context("simulate", [*LIFE]).params)
    newest_ms = max(timestamps.parse(json.loads(event.body)["timestamp"]) or 0 for event in script.events)
    assert before_ms - 3_600_000 < newest_ms < time.time_ns() // 1_000_000


@pytest.mark.parametrize(
    "wrong",
    [["--days=2"], ["--repeat=2"], ["--invalid=0.1"], ["--start-day=2999-01-01"], ["--replays=-1"], ["--audience=?"]],
)
def test_bad_use_of_a_life_is_exit_status_2(wrong: list[str]) -> None:
    assert live(*wrong).exit_code == 2


def test_a_truth_that_cannot_be_written_is_said() -> None:
    result = live("--truth=nowhere/truth.ndjson")
    assert result.exit_code == 1
    assert "nowhere/truth.ndjson cannot be written" in result.stderr


def test_a_running_daymark_in_this_folder_is_found() -> None:
    with endpoint.serving() as server:
        pretend(Path(".daymark"), os.environ, http=server.url)
        assert run(DAYMARK_KEY="").exit_code == 0
    assert {headers["Authorization"] for _, headers, _ in server.requests} == {"Basic azo="}


def test_the_key_of_a_running_daymark_goes_nowhere_else() -> None:
    with endpoint.serving() as server:
        pretend(Path(".daymark"), os.environ)
        assert run("--url", server.url, DAYMARK_KEY="").exit_code == 2
    assert not server.requests


def test_a_key_comes_from_the_environment_or_a_file_never_an_argument(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k\n")
    with endpoint.serving() as server:
        assert run("--url", server.url, "--key-file", str(file)).exit_code == 0
        refused = run("--url", server.url, "--key", "k")
    assert {headers["Authorization"] for _, headers, _ in server.requests} == {"Basic azo="}
    assert (refused.exit_code, "must not be an argument" in refused.stderr) == (2, True)


def test_something_else_than_expected_is_a_failure() -> None:
    """It is in the summary, and the exit status says it."""
    with endpoint.serving(400) as server:
        result = run("--url", server.url, DAYMARK_KEY="key")
    assert result.exit_code == 3
    assert sum(json.loads(result.stdout)["unexpected"].values()) == 1


@pytest.mark.parametrize("troubled", ["401", "404"])
def test_a_wrong_key_or_url_is_said(troubled: str) -> None:
    with endpoint.serving(*[int(troubled)] * 300) as server:
        result = run("--url", server.url, DAYMARK_KEY="key")
    assert result.exit_code == 1
    assert f"the server answers {troubled} (trouble)" in result.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ["--start-day", "2999-01-01"],
        ["--time-zone", "Nowhere"],
        ["--url", "nonsense"],
        ["--repeat", "0.5"],
        ["--invalid", "2"],
        ["--audience", "?"],
        ["--batch", "4001"],
    ],
)
def test_bad_use_is_exit_status_2(wrong: list[str]) -> None:
    assert run(*wrong, DAYMARK_KEY="key").exit_code == 2


def test_without_a_key_it_says_how_to_get_one() -> None:
    result = run("--url", "http://127.0.0.1:9", DAYMARK_KEY="")
    assert (result.exit_code, "daymark keys new" in result.stderr) == (2, True)


def read_all(kafka: str, topic: str, count: int) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "unused", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    found: list[Any] = []
    while len(found) < count:
        found += consumer.consume(count - len(found), 10)
    assert consumer.poll(0.5) is None
    consumer.close()
    return found


def test_straight_to_the_topic_records_are_as_ingest_makes_them(kafka: str, topics: Topics) -> None:
    """The very bytes; keyed by the contact; with workspace and receipt."""
    environ = {"DAYMARK_KAFKA": kafka, "DAYMARK_TOPIC_PREFIX": topics.prefix}
    result = run("--to", "topic", "--workspace", "acme", **environ)
    assert (result.exit_code, result.stderr) == (0, "")
    summary = json.loads(result.stdout)
    assert (summary["sent"], summary["failed"], summary["answers"]) == (EVENTS, 0, {})
    found = read_all(kafka, topics.events, EVENTS)
    reasons: Counter[str] = Counter()
    for record in found:
        headers = dict(record.headers())
        assert headers["workspace"] == b"acme"
        read = segment.read(record.value(), int(headers["received_at"]))
        if isinstance(read, Identify):
            assert record.key().decode() == read.email
        else:
            reasons[read.reason] += 1
    assert reasons == summary["expected_rejections"]


@pytest.fixture
def real(kafka: str, topics: Topics, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Run the real ingest; return its URL and a key."""
    file, url, admin = tmp_path / "workspaces.toml", *(f"127.0.0.1:{ports.choose()}" for _ in range(2))
    key = CliRunner().invoke(keys.command, ["new", "acme", "--file", str(file)]).stdout.strip()
    environ = {
        "DAYMARK_KAFKA": kafka,
        "DAYMARK_TOPIC_PREFIX": topics.prefix,
        "DAYMARK_WORKSPACES": str(file),
        "DAYMARK_HTTP": url,
        "DAYMARK_ADMIN": admin,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "daymark", "ingest"], env=environ, stdout=subprocess.DEVNULL
    ) as process:
        try:
            _wait_until_ready(f"http://{admin}/readyz")
            yield f"http://{url}", key
        finally:
            process.kill()


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            urlopen(url, timeout=10).close()
        except OSError:  # a 503 is one, too
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.mark.parametrize("batch", ["0", "10"])
def test_the_real_ingest_answers_as_expected(real: tuple[str, str], kafka: str, topics: Topics, batch: str) -> None:
    """What it took is in its topic, what it refused in the other, and the summary has the figures of both."""
    url, key = real
    result = run("--url", url, "--batch", batch, DAYMARK_KEY=key)
    assert (result.exit_code, result.stderr) == (0, "")
    summary = json.loads(result.stdout)
    assert (summary["sent"], sum(summary["rejected"].values())) == (EVENTS, INVALID)
    taken = [
        segment.read(record.value(), endpoint.NOW_MS) for record in read_all(kafka, topics.events, EVENTS - INVALID)
    ]
    days = {(one.email, one.timestamp_ms // 86_400_000) for one in taken if isinstance(one, Identify)}
    assert len(days) == INTERACTIONS
    refused = [avro.decode(record.value())[1]["reason"] for record in read_all(kafka, topics.rejected, INVALID)]
    assert Counter(refused) == summary["rejected"]


def test_a_topic_that_is_not_there_is_said(kafka: str) -> None:
    result = run("--to", "topic", DAYMARK_KAFKA=kafka, DAYMARK_TOPIC_PREFIX="nothing-here.")
    assert result.exit_code == 1
    assert "nothing-here.segment.events" in result.stderr
    assert "daymark topics" in result.stderr
