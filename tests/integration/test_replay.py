"""`daymark replay` on real workers: the plan, what it refuses, and that the same comes again."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, TopicPartition

from daymark import settings
from daymark.auditing.raws import Raws
from daymark.clients import opened
from daymark.commands import audit, replay
from daymark.commands import topics as make
from daymark.local import ports
from daymark.replaying.start import Earliest
from daymark.replaying.survey import survey
from schemas.topics import Topics
from tests.daymark.ups import pretend
from tests.flows import Road, visit, wait_until
from tests.made import PARTITIONS

AUDIENCE = ("--contacts", "120", "--days", "2", "--repeat", "1.5", "--retries", "0.05", "--invalid", "0.05")


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def run(road: Road, *arguments: str) -> Result:
    return run_other(road, replay.command, *arguments)


def run_other(road: Road, command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, env=road.environment)


def newest(road: Road) -> Mapping[tuple[str, bytes], bytes]:
    """Return the newest record under every key."""
    topics = (road.topics.interactions, road.topics.traits)
    return {(topic, each.key): each.value for topic in topics for each in road.committed(topic)}


def notes(road: Road) -> set[str | None]:
    """Return what the group's offsets say."""
    consumer = Consumer({"bootstrap.servers": road.kafka, "group.id": road.group})
    try:
        places = [TopicPartition(road.topics.events, number) for number in range(PARTITIONS)]
        return {place.metadata for place in consumer.committed(places, 20)}
    finally:
        consumer.close()


@pytest.mark.timeout(600)  # many processes, one after the other
def test_a_replay_of_everything_leaves_the_newest_records_as_they_were(road: Road) -> None:
    """Byte for byte, though begun twice: refused while workers run, it waits, is killed, and is run again."""
    admin = f"127.0.0.1:{ports.choose()}"
    assert road.start("simulate", *AUDIENCE, "--to", "topic", "--workspace", "w").wait(240) == 0
    with road.worker(DAYMARK_ADMIN=admin):
        road.wait_settled()
        before, noted = newest(road), notes(road)
        planned = run(road, "--from", "earliest", "--metrics", admin, "--json")
        said: dict[str, Any] = json.loads(planned.stdout)
        assert (planned.exit_code, said["again"] > 300, said["expired"]) == (0, True, 0)
        assert said["rate_source"] == "benchmark"  # it asked the worker, which has never been behind
        assert road.lag() == 0
        refused = run(road, "--from", "earliest", "--execute")
        assert (refused.exit_code, f"{road.group} is in use: stop 1 member:" in refused.output) == (1, True)
        waiting = road.start("replay", "--from", "earliest", "--execute", "--wait")
        waiting.wait_for("Waiting for 1 member:")
    waiting.wait_for("is rewound")
    waiting.kill()
    assert road.lag() == said["again"]
    assert notes(road) == noted

    again = road.start("replay", "--from", "-1h", "--execute")
    again.wait_for("is rewound by 0|nothing to replay")
    assert again.wait() == 0  # it is set back already
    with road.worker("1"):
        road.wait_settled()
        done = run(road, "--from", "earliest")
        assert f"{said['again']:,} events would be replayed" in done.stdout
    watched = road.start("replay", "--from", "earliest", "--execute")
    watched.wait_for("is rewound")
    with road.worker("2"):
        assert watched.wait(240) == 0
        assert "Contact-days" in watched.said
    assert newest(road) == before
    emitted = len(road.committed(road.topics.interactions))
    assert emitted == 3 * len({key for topic, key in before if topic == road.topics.interactions})


def test_it_begins_where_it_is_told(road: Road) -> None:
    """One partition from a place; an instant after everything; what lies ahead or is nothing is refused."""
    road.send([*(visit(contact) for contact in range(12))])
    road.send([visit(3)], workspace="other")
    assert run(road, "--from", "earliest").exit_code == 1  # nothing committed
    with road.worker():
        wait_until(lambda: len(road.interactions()) == 13, "all is taken", every_s=0.5)
    [part, *_] = [
        part for part in json.loads(run(road, "--from", "earliest", "--json").stdout)["parts"] if part["again"]
    ]
    place = f"{part['partition']}:{part['stands'] - 1}"
    assert json.loads(run(road, "--from", place, "--json").stdout)["again"] == 1
    assert json.loads(run(road, "--from", "2120-01-01", "--json").stdout)["again"] == 0
    assert json.loads(run(road, "--from", "earliest", "--to", "1970-01-02", "--json").stdout)["again"] == 0
    narrowed = json.loads(run(road, "--from", "earliest", "--workspace", "other", "--json").stdout)
    assert (narrowed["own"], narrowed["again"]) == (1, 1)  # sent last: nothing lies behind it
    assert json.loads(run(road, "--from", "earliest", "--workspace", "none", "--json").stdout)["again"] == 0
    assert run(road, "--from", "-1h", "--to", "-2h").exit_code == 2
    ahead = run(road, "--from", f"{part['partition']}:{part['stands'] + 1}", "--execute")
    assert (ahead.exit_code, "events would be skipped" in ahead.output) == (2, True)
    assert run(road, "--from", "0:0", "--from", "earliest").exit_code == 2
    assert run(road, "--from", "0:0", "--from", "0:1").exit_code == 2
    found = settings.load(road.environment)
    with opened(found, road.group) as there:
        raws = Raws(road.topics, there.partitions)
        looks = [survey(there.clients, raws, [Earliest()], 8) for _ in range(2)]
    assert looks[0] == looks[1]
    assert all(part.oldest_ms for part in looks[1].parts if part.again)  # an audit of the replay begins there


def test_a_fresh_replay_judges_everything_by_the_rules_of_now(road: Road, tmp_path: Path) -> None:
    """After a change of the time zone: the day's first event wins it, also where another had; the audit agrees."""
    workspaces = tmp_path / "workspaces.toml"
    workspaces.write_text("[workspaces.w]\nkeys = []\n")
    road.environment["DAYMARK_WORKSPACES"] = str(workspaces)
    late, noon = visit(1, 1, "late"), visit(1, 2, "noon")
    road.send([(late[0], late[1].replace(b"12:00", b"23:30")), noon])
    with road.worker():
        road.wait_settled()
    assert [each["event"] for each in road.interactions()] == ["late", "noon"]
    workspaces.write_text('[workspaces.w]\nkeys = []\ntime_zone = "Europe/Berlin"\n')
    assert "does not know" in run(road, "--from", "earliest", "--fresh", "--execute").output
    road.environment["DAYMARK_CLAIM_KEY"] = secrets.token_hex(32)
    assert run(road, "--from", "-1h", "--fresh").exit_code == 2
    watched = road.start("replay", "--from", "earliest", "--fresh", "--execute")
    watched.wait_for("is rewound")
    assert {note or "" for note in notes(road)} == {""}
    with road.worker("1"):
        assert watched.wait(240) == 0, watched.said
    shown = {record.key: record.fields for record in road.committed(road.topics.interactions)}
    assert sorted((str(each["day"]), each["event"]) for each in shown.values()) == [
        ("2020-05-01", "late"),  # of the old rules: from then on it was not emitted
        ("2020-05-02", "late"),
    ]


@pytest.mark.timeout(300)  # many processes, one after the other
def test_a_lane_is_replayed_and_a_fresh_replay_may_be_killed(road: Road, tmp_path: Path) -> None:
    """Both topics are set back; killed at any instant and run again, a `daymark up` ends with fresh claims for all."""
    road.environment["DAYMARK_BACKFILL_LANE"] = "on"
    assert run_other(road, make.command, "--partitions", str(PARTITIONS), "--replication", "1").exit_code == 0
    up = pretend(tmp_path / "up", {"XDG_CACHE_HOME": str(tmp_path)}, kafka=road.kafka)
    old = road.environment.pop("DAYMARK_CLAIM_KEY")
    up.claim_key.write_text(old)
    road.environment |= {"DAYMARK_CLAIM_KEY_FILE": str(up.claim_key), "DAYMARK_DATA": str(up.folder)}
    road.send([visit(contact, day, "old") for contact in range(8) for day in (1, 2)], topic=road.topics.backfill)
    wanted = ("--from", "earliest", "--fresh", "--execute")
    with road.worker():
        wait_until(lambda: len(road.interactions()) == 16, "the archive is taken", every_s=0.5)
        road.send([visit(contact, day, "live") for contact in range(8) for day in (2, 3)])
        wait_until(lambda: len(road.interactions()) == 24, "all is taken", every_s=0.5)
        wait_until(lambda: road.lag() == road.lag(road.topics.backfill) == 0, "all is committed", every_s=0.5)
        before, planned = newest(road), run(road, "--from", "earliest")
        assert ("32 events" in planned.stdout, "backfill/" in planned.stdout) == (True, True), planned.output
        assert "not replayed (--lane)" in run(road, "--from", "earliest", "--no-lane").stdout
        assert run(road, "--from", "earliest", "--fresh", "--no-lane").exit_code == 2
        waiting = road.start("replay", *wanted)
        waiting.wait_for("Waiting for 1 member:")
        waiting.kill()
        assert (road.lag(), road.lag(road.topics.backfill), up.claim_key.read_text()) == (0, 0, old)
    torn = road.start("replay", *wanted)
    torn.wait_for("What counts")
    torn.kill()  # before the reset, after it, or after the new key
    whole = road.start("replay", *wanted)
    whole.wait_for("is rewound by (32|0) events")
    since = whole.wait_for(r"(?<=emitted from )\S+")
    assert (road.lag(), road.lag(road.topics.backfill)) == (16, 16)
    assert ({note or "" for note in notes(road)}, up.claim_key.read_text() == old) == ({""}, False)
    with road.worker("1"):
        assert whole.wait(100) == 0, whole.said
        wait_until(lambda: road.lag() == road.lag(road.topics.backfill) == 0, "all is committed", every_s=0.5)
    assert newest(road).keys() == before.keys()  # live events go first: a shared day may be another's
    assert len(road.interactions()) == 48
    audited = run_other(road, audit.command, "--emitted-since", since)
    assert audited.exit_code == 0, audited.output
