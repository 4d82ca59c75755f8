"""A backfill in its own lane, beside live events of the same contacts, while workers are killed: one order for all."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daymark.commands import audit, backfill, claims, topics, why
from schemas.topics import Topics
from tests.flows import Road, wait_until

CONTACTS = 300
LANE = {"DAYMARK_BACKFILL_LANE": "on"}


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def change(contact: int, day: int, plan: int) -> tuple[str, bytes]:
    """Return a contact's e-mail and an event of a day of May 2020 that sets its plan."""
    email = f"contact-{contact}@example.org"
    computed = {"computation_class": "trait", "computation_key": "plan"}
    said = {
        "type": "identify",
        "timestamp": f"2020-05-{day:02}T12:00:00.000Z",
        "traits": {"email": email, "plan": plan},
        "context": {"personas": computed},
        "messageId": f"{contact}-{day}-{plan}",
    }
    return email, json.dumps(said).encode()


def run(road: Road, command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, env={**road.environment, **LANE})


def send_archive(road: Road, folder: Path, name: str, events: Iterable[tuple[str, bytes]]) -> None:
    (folder / f"{name}.json").write_bytes(b"\n".join(body for _, body in events))
    state = str(folder.parent / "state")
    sent = run(road, backfill.command, str(folder), "--workspace", "w", "--state", state, "--json")
    assert sent.exit_code == 0, sent.output


def committed(road: Road, least: int) -> bool:
    return len(road.interactions()) >= least


@pytest.mark.timeout(600)
def test_old_events_beside_newer_ones(road: Road, tmp_path: Path) -> None:
    """Whatever order they come in, and whoever is killed: each day once, and each property's newest value last."""
    made = run(road, topics.command, "--partitions", "4", "--replication", "1", "--json")
    assert {state["topic"]: state["state"] for state in json.loads(made.stdout)}[road.topics.backfill] == "created"
    archive = tmp_path / "archive"
    archive.mkdir()
    everybody = range(CONTACTS)
    send_archive(road, archive, "1", (change(contact, day, day) for day in (1, 2) for contact in everybody))
    road.send(change(contact, 20, 20) for contact in everybody)
    with road.worker(**LANE) as first:
        wait_until(partial(committed, road, 1), "it has begun")
        road.send(change(contact, 21, 21) for contact in everybody)
        first.kill()
    with road.worker(**LANE) as second:
        # Days that are in both, changes that are older than live ones, and one that is newer than all of them.
        old = [change(contact, day, day) for day in (3, 20) for contact in everybody]
        send_archive(road, archive, "2", [*old, *(change(contact, 25, 25) for contact in range(5))])
        road.send(change(contact, 22, 22) for contact in everybody)
        wait_until(partial(committed, road, 6 * CONTACTS + 5), "all is taken", every_s=0.5)
        wait_until(lambda: _is_sound(road), "the audit finds all of it, and nothing else", 90, every_s=0.5)
        assert second.readiness() == 200

    assert not _days_twice(road)
    last = {record.key: record.fields["value"] for record in road.committed(road.topics.traits)}
    assert sorted(last.values()) == [22] * (CONTACTS - 5) + [25] * 5
    assert any(interaction["source_partition"] >= 1 << 15 for interaction in road.interactions())
    told = json.loads(
        run(road, why.command, "contact-0@example.org", "--since", "-1h", "--last", "20", "--json").stdout
    )
    assert {event["source"].split("/")[0] for event in told["events"]} >= {"backfill"}
    assert {event["verdict"] for event in told["events"]} == {"taken", "duplicate"}
    checked = run(road, claims.command, "check", "--json")
    assert (checked.exit_code, json.loads(checked.stdout)["days"][0]["own"]) == (0, 6 * CONTACTS + 5), checked.output


def _is_sound(road: Road) -> bool:
    found = run(road, audit.command, "--no-replays", "--json")
    told = json.loads(found.stdout)
    assert {name: each["examples"] for name, each in told["findings"].items() if each["count"]} == {}
    assert (found.exit_code, told["read"][road.topics.backfill] > 0) == (0, True)
    return int(told["counts"]["records_not_yet_judged"]) == 0


def _days_twice(road: Road) -> list[tuple[str, Any]]:
    seen = [(interaction["email"], interaction["day"]) for interaction in road.interactions()]
    return [one for one in seen if seen.count(one) > 1]
