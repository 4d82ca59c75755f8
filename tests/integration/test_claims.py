"""`daymark claims`: the store is emptied in the middle of an audience's life, its claims are rebuilt, life goes on."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from daymark.commands import audit, claims
from daymark.local.valkey import Valkey
from daymark.rebuilding import commitments
from processor.claims import Claims
from processor.decide import ContactDay
from schemas.topics import Topics
from tests.flows import Road, visit

CONTACTS = 40


@pytest.fixture
def valkey(valkey_server: Callable[..., Valkey]) -> Valkey:
    return valkey_server()


@pytest.fixture
def road(kafka: str, valkey: Valkey, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, valkey.url, topics, claim_key)


def run(road: Road, *arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(claims.command, arguments, env={**road.environment, **environ})


def said(road: Road, *arguments: str) -> dict[str, Any]:
    """Return what a command says of all days together."""
    result = run(road, *arguments, "--json")
    found: dict[str, Any] = json.loads(result.stdout)
    return {name: sum(day[name] for day in found["days"]) for name in ("own", "other", "missing")}


def lifetimes(store: redis.Redis) -> set[int]:
    """Return the remaining lifetimes in whole days; a day has begun even if its first second has not passed."""
    return {(store.ttl(key) - 1) // 86_400 for key in store.scan_iter() if store.ttl(key) >= 0}


def sync(name: str, hour: int) -> list[tuple[str, bytes]]:
    """Return a sync of an audience: each contact is in touch, and its membership changes at an hour of one day."""
    found = []
    for contact in range(CONTACTS):
        email, body = visit(contact, name=name)
        event = json.loads(body)
        event["timestamp"] = f"2020-05-01T{hour:02}:00:00Z"
        event["context"] = {"personas": {"computation_class": "audience", "computation_key": "spenders"}}
        event["traits"]["spenders"] = hour % 2 == 0
        found.append((email, json.dumps(event).encode()))
    return found


class Killed(Exception):
    """Ends a rebuild where it stands."""


def killed_after_a_batch(road: Road, monkeypatch: pytest.MonkeyPatch) -> int:
    """Begin a rebuild, end it after its first batch, and return how many claims that was."""
    batches: list[int] = []

    def claimed(there: Claims, owners: Mapping[ContactDay, bytes]) -> Sequence[bytes | None]:
        if batches:
            raise Killed
        batches.append(len(owners))
        return there.claim(owners, {}).holders

    monkeypatch.setattr(commitments, "BATCH", 1)
    monkeypatch.setattr(claims, "_claimed", claimed)
    with pytest.raises(Killed):
        CliRunner().invoke(claims.command, ["rebuild", "--execute"], env=road.environment, catch_exceptions=False)
    monkeypatch.undo()
    return batches[0]


@pytest.mark.timeout(600)  # many processes, one after the other
def test_claims_that_the_store_lost_are_rebuilt(road: Road, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Emptied, rebuilt by a run that is killed and another, and the next sync finds every day taken.

    Nothing is emitted, and no clock goes back.
    """
    road.send(sync("first", 12))
    with road.worker():
        road.wait_settled()
    assert (run(road, "check").exit_code, said(road, "check")) == (0, {"own": CONTACTS, "other": 0, "missing": 0})
    store = redis.Redis.from_url(valkey.url)
    lived = lifetimes(store)
    store.flushall()
    lost = run(road, "check")
    assert (lost.exit_code, "claims are missing" in lost.output) == (3, True)
    assert said(road, "rebuild")["missing"] == CONTACTS
    assert store.dbsize() == 0  # only said

    emitted = len(road.interactions()), len(road.committed(road.topics.traits))
    set_before = killed_after_a_batch(road, monkeypatch)
    assert 0 < set_before < CONTACTS
    assert said(road, "rebuild", "--execute") == {"own": set_before, "other": 0, "missing": CONTACTS - set_before}
    assert said(road, "rebuild", "--execute") == {"own": CONTACTS, "other": 0, "missing": 0}
    assert (len(road.interactions()), len(road.committed(road.topics.traits))) == emitted
    assert lifetimes(store) == lived == {7}

    road.send(sync("second", 14))
    road.send(sync("late", 11))
    with road.worker("1"):
        road.wait_settled()
    judged = CliRunner().invoke(audit.command, ["--json", "--no-replays"], env=road.environment)
    assert (judged.exit_code, json.loads(judged.stdout)["counts"]["contact_days"]) == (0, CONTACTS), judged.stdout
    assert len(road.interactions()) == CONTACTS
    assert len(road.committed(road.topics.traits)) == 2 * CONTACTS  # the late ones are stale


@pytest.mark.timeout(600)  # many processes, one after the other
def test_a_claim_of_a_worker_is_left_alone(road: Road, valkey: Valkey) -> None:
    """Also where it is another event's, claimed since the loss; and a wrong secret is refused before it writes."""
    road.send(sync("first", 12))
    with road.worker():
        road.wait_settled()
    redis.Redis.from_url(valkey.url).flushall()
    road.send(sync("second", 14)[:3])
    with road.worker("1"):
        road.wait_settled()
    # The newest record of a day comes last and is the second event's: the first is asked for first, and meets it.
    assert said(road, "rebuild", "--execute") == {"own": 0, "other": 3, "missing": CONTACTS - 3}
    size = redis.Redis.from_url(valkey.url).dbsize()
    refused = run(road, "rebuild", "--execute", DAYMARK_CLAIM_KEY="another key, which is wrong")
    assert (refused.exit_code, "has nothing of this installation" in refused.output) == (1, True)
    assert redis.Redis.from_url(valkey.url).dbsize() == size
