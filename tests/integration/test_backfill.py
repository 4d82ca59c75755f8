"""`daymark backfill`: killed at any instant and run again, it ends as one clean run does."""

import gc
import gzip
import json
import signal
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daymark.backfilling import archive
from daymark.backfilling import run as runs
from daymark.backfilling.batches import batches
from daymark.backfilling.judging import Event
from daymark.backfilling.sending import Destination, Sender
from daymark.backfilling.state import open_state
from daymark.commands import audit, backfill
from schemas.topics import Topics
from tests.flows import Road, visit, wait_until

EVENTS, PER_FILE = 600, 100
STEPS = ("events", "number", "commit", "committed")


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An archive: an identify of each contact, other calls between them, stray files."""
    days = tmp_path / "segment-logs" / "source"
    for first in range(0, EVENTS, PER_FILE):
        day = days / str(1_432_684_800_000 + first * 864_000)
        day.mkdir(parents=True)
        calls = [visit(first + each)[1] for each in range(PER_FILE)]
        calls.insert(7, b'{"type": "track", "event": "x"}')
        (day / "a.gz").write_bytes(gzip.compress(b"\n".join(calls)))
    (days / "dummy-object.txt").write_bytes(b"")
    return tmp_path / "segment-logs"


def arguments(folder: Path, *more: str) -> list[str]:
    return [str(folder), "--workspace", "w", "--state", str(folder.parent / "state"), "--json", *more]


def run(road: Road, folder: Path, *more: str) -> Result:
    return CliRunner().invoke(backfill.command, arguments(folder, *more), env=road.environment)


def keys(road: Road) -> Counter[bytes]:
    return Counter(record.key for record in road.committed(road.topics.events))


def has_more_than(road: Road, events: int) -> bool:
    return keys(road).total() > events


def expected(events: int = EVENTS) -> Counter[bytes]:
    return Counter({f"contact-{number}@example.org".encode(): 1 for number in range(events)})


@pytest.mark.timeout(600)
def test_a_backfill_killed_at_random_ends_as_one_that_was_not(road: Road, folder: Path) -> None:
    """SIGKILL, SIGTERM, again, later with a file more: each event is there once, the counts are one run's."""
    for number in (signal.SIGKILL, signal.SIGTERM):
        before = keys(road).total()
        process = road.start("backfill", *arguments(folder, "--rate", "50"))
        wait_until(partial(has_more_than, road, before), "some is sent")
        time.sleep(time.time_ns() % 300 / 1000)
        process.signal(number)
        assert process.wait() == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert "run it again to continue" in process.said
    assert 0 < keys(road).total() < EVENTS
    result = run(road, folder, "--rate", "100000")
    assert result.exit_code == 0, result.output
    assert keys(road) == expected()
    found = json.loads(result.stdout)
    assert (found["sent"], found["rejected"]["unsupported_type"], found["stray"]) == (EVENTS, EVENTS // PER_FILE, 1)

    (folder / "more.json").write_bytes(visit(EVENTS)[1])
    for _ in range(2):
        assert json.loads(run(road, folder).stdout)["sent"] == EVENTS + 1
    assert keys(road) == expected(EVENTS + 1)
    assert run(road, folder, "--since", "2020-01-01").exit_code == 2  # another backfill's state
    with road.worker():
        # Not until the lag is 0: the marker of a transaction at a log's end counts as one.
        wait_until(lambda: len(road.interactions()) >= EVENTS + 1, "all is taken", every_s=0.5)
    judged = CliRunner().invoke(audit.command, ["--json", "--no-replays"], env=road.environment)
    assert (judged.exit_code, json.loads(judged.stdout)["counts"]["contact_days"]) == (0, EVENTS + 1)


class Killed(Exception):
    """Ends a backfill where it stands: it neither commits nor aborts, as SIGKILL."""


@pytest.mark.parametrize("step", STEPS)
def test_a_backfill_killed_before_any_step_goes_on_exactly(road: Road, folder: Path, tmp_path: Path, step: str) -> None:
    """Whether the batch under way is committed is found out, and it is sent again only if it is not."""
    file = folder / "batch.json"
    file.write_bytes(b"\n".join(visit(number)[1] for number in range(30)))
    to = Destination(road.topics.events, "w", f"{road.group}-backfill", f"daymark-{road.topics.prefix}backfill")
    config = {"bootstrap.servers": road.kafka, "log_level": 0}

    def go(kill_in: int | None) -> dict[str, Any]:
        taken: Counter[str] = Counter()

        def take(name: str) -> None:
            taken[name] += 1
            if name == step and taken[name] == kill_in:
                raise Killed

        sender = Sender(config, to, take)
        try:
            with open_state(tmp_path / "state", {}) as state:
                runs.settle(state, sender)
                kept = state.settle

                def settle(number: int | None) -> None:
                    take("committed")
                    kept(number)

                state.settle = settle  # type: ignore[assignment, method-assign]
                runs.send(batches([lines_of(file)], state.done, as_event, 10, []), state, sender)
                return state.counts
        finally:
            sender.close()

    with pytest.raises(Killed):
        go(2)
    gc.collect()  # the killed sender's clients
    assert go(None)["sent"] == 30
    assert keys(road) == expected(30)


def as_event(line: bytes | None) -> Event:
    event = json.loads(line or b"")
    return Event(event["traits"]["email"].encode(), line or b"", 0)


def lines_of(path: Path) -> archive.File:
    return archive.find([path]).files[0]
