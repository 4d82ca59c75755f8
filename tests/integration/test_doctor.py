"""`daymark doctor` on a sound installation, and on one in which much is wrong at once."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from daymark.commands import doctor
from daymark.local.valkey import Valkey
from schemas.topics import Topics
from tests.flows import Road, visit

SECRET = "a-claim-key-that-must-not-be-shown"


def run(road: Road, *arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(doctor.command, arguments, env={**road.environment, **environ})


def found(result: Result) -> Mapping[str, Any]:
    """Return the worst state of each thing looked at."""
    states: dict[str, Any] = {}
    for finding in json.loads(result.stdout)["findings"]:
        worse = ("ok", "warning", "fault").index(finding["state"])
        if worse >= ("ok", "warning", "fault").index(states.get(finding["about"], "ok")):
            states[finding["about"]] = finding["state"]
        assert (finding["state"] == "ok") == (finding["advice"] == "")
    return states


def test_a_sound_installation(kafka: str, redis_url: str, topics: Topics, tmp_path: Path) -> None:
    """Nothing is a fault; settings come with where they are from, and no secret is shown."""
    road = Road(kafka, redis_url, topics, b"")
    (tmp_path / "claim.key").write_text(SECRET)
    del road.environment["DAYMARK_CLAIM_KEY"]
    with road.worker(DAYMARK_CLAIM_KEY_FILE=str(tmp_path / "claim.key")) as worker:
        worker.wait_for("partitions.assigned")
        result = run(road, "--json", DAYMARK_CLAIM_KEY_FILE=str(tmp_path / "claim.key"))
    assert result.exit_code == 0, result.output
    states = found(result)
    assert {about for about, state in states.items() if state == "fault"} == set()
    assert (states["group"], states["claim key"], states["rights"], states["eviction"]) == ("ok",) * 4
    origins = {each["variable"]: (each["value"], each["origin"]) for each in json.loads(result.stdout)["settings"]}
    assert origins["DAYMARK_CLAIM_KEY"] == ("(hidden)", "file (environment)")
    assert origins["DAYMARK_TOPIC_PREFIX"] == (topics.prefix, "environment")
    assert origins["DAYMARK_CLAIM_DAYS"] == ("8", "default")
    assert SECRET not in result.output


def test_much_that_is_wrong(kafka: str, valkey_server: Callable[..., Valkey], topics: Topics) -> None:
    """A store that evicts, no claim key, a topic gone, offsets beyond the end, a hanging transaction, an idle lane."""
    store = valkey_server(settings={"maxmemory-policy": "allkeys-lru", "maxmemory": "50mb"})
    road = Road(kafka, store.url, topics, b"")
    del road.environment["DAYMARK_CLAIM_KEY"]
    road.send([visit(1)])
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topics.backfill, 2, 1)])[topics.backfill].result(60)
    road.send([visit(contact) for contact in range(10)], topic=topics.backfill)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": road.group, "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition(topics.events, 0, 10**6)], asynchronous=False)
    consumer.close()
    hanging = Producer({"bootstrap.servers": kafka, "transactional.id": f"{topics.prefix}hanging", "log_level": 0})
    hanging.init_transactions(30)
    hanging.begin_transaction()
    old_ms = time.time_ns() // 1_000_000 - 3_600_000
    hanging.produce(topics.traits, b"value", b"key", partition=1, timestamp=old_ms)
    assert hanging.flush(30) == 0
    try:
        result = run(road, "--json")
        states = found(result)
        assert result.exit_code == 3, result.output
        wrong = {about: states[about] for about in ("eviction", "offsets", "transactions", "claim key", "group")}
        assert wrong == dict.fromkeys(("eviction", "offsets", "transactions"), "fault") | dict.fromkeys(
            ("claim key", "group"), "warning"
        )
        assert (states["lane"], states[topics.backfill]) == ("warning", "fault")
        assert found(run(road, "--json", DAYMARK_BACKFILL_LANE="on"))["lane"] == "ok"
        assert f"{topics.traits} 1:0" in result.stdout
    finally:
        hanging.abort_transaction(30)

    admin.delete_topics([topics.rejected])[topics.rejected].result(60)
    shown = run(road, DAYMARK_SESSION_TIMEOUT_MS="1800000", DAYMARK_REDIS="redis://127.0.0.1:1")
    assert shown.exit_code == 3
    assert "`daymark topics` creates it" in shown.stdout
    assert "start it, or correct DAYMARK_REDIS" in shown.stdout


def test_nothing_answers() -> None:
    """It says so of each part, rather than end at the first."""
    environ = {"DAYMARK_KAFKA": "127.0.0.1:1", "DAYMARK_REDIS": "redis://127.0.0.1:1"}
    result = CliRunner().invoke(doctor.command, ["--json"], env=environ)
    assert (result.exit_code, found(result)["kafka"], found(result)["store"]) == (3, "fault", "fault")
