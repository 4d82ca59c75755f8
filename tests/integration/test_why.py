"""`daymark why` over what a real worker made of a contact's messy day."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from click.testing import CliRunner

from daymark.commands import why
from daymark.inquiry.partitions import partition_of
from schemas.rejections import MISSING_TIMESTAMP
from schemas.topics import Topics
from tests.flows import Road
from tests.made import PARTITIONS

EMAIL = "ana@example.org"


@pytest.fixture
def road(kafka: str, redis_url: str, topics: Topics, claim_key: bytes) -> Road:
    return Road(kafka, redis_url, topics, claim_key)


def event(message_id: str, email: str = EMAIL, *, hour: int = 12, **more: Any) -> tuple[str, bytes]:
    timestamp = f"2020-05-01T{hour:02}:00:00Z"
    said = {"type": "identify", "messageId": message_id, "timestamp": timestamp, "traits": {"email": email}}
    return email, json.dumps(said | more).encode()


def change(message_id: str, hour: int, *, entered: bool) -> tuple[str, bytes]:
    personas = {"computation_class": "audience", "computation_key": "big_spender"}
    traits = {"email": EMAIL, "big_spender": entered}
    return event(message_id, hour=hour, traits=traits, context={"personas": personas})


def asked(road: Road, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(why.command, [*arguments, "--json"], env=road.environment)
    assert result.exit_code == exit_code, result.output
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def verdicts(said: Mapping[str, Any]) -> dict[str, str]:
    return {each["message_id"]: each["verdict"] for each in said["events"]}


def test_a_messy_day_is_explained(road: Road) -> None:
    """Taken, a retry, a duplicate, changes in the wrong order, rejected ones, and what is still to be read."""
    late, early = change("left", 15, entered=False), change("entered", 9, entered=True)
    mess = [event("first"), event("first"), event("second", hour=13), late, early, event("other", "bo@example.org")]
    road.send([*mess, (EMAIL, b'{"type":"identify","messageId":"bad","traits":{"email":"%s"}}' % EMAIL.encode())])
    road.refuse([b'{"messageId":"refused","traits":{"email":"Ana@Example.org"}}'], MISSING_TIMESTAMP)
    with road.worker():
        road.wait_settled()
    road.send([event("fifth", hour=16), event("next day", timestamp="2020-05-02T12:00:00Z")])

    said = asked(road, f" {EMAIL.upper()} ")
    assert [each["verdict"] for each in said["events"]] == ["taken", *["duplicate"] * 4, "rejected", *["unread"] * 2]
    taken, retry, *_, rejected, fifth, next_day = said["events"]
    place = partition_of(EMAIL.encode(), PARTITIONS)
    assert (said["partitions"], said["lag"], said["email"]) == ([place], 2, EMAIL)
    assert taken["source"] == f"{place}:0"
    assert (retry["winner"], retry["message_id"]) == (taken["winner"], "first")
    assert (retry["winner"]["source"], retry["winner"]["message_id"]) == (taken["source"], "first")
    assert retry["winner"]["timestamp"] == "2020-05-01T12:00:00.000Z"
    assert (rejected["reason"], bool(rejected["rejected_at"])) == ("missing_timestamp", True)
    assert (fifth["ahead"], fifth["winner"], next_day["ahead"], next_day["winner"]) == (1, taken["winner"], 2, None)
    assert [each["reason"] for each in said["refused"]] == ["missing_timestamp"]

    changes = {each["message_id"]: each["properties"] for each in said["events"] if each["properties"]}
    assert {name: [each["standing"] for each in found] for name, found in changes.items()} == {
        "left": ["current"],
        "entered": ["superseded"],
    }
    assert changes["entered"][0]["newest"]["message_id"] == "left"


def test_a_message_id_is_found_wherever_it_is(road: Road) -> None:
    """Also with an escape in it, under another's key, and in what ingest refused; the text names the winner."""
    _, foreign = event('say "hi"', hour=14)
    road.refuse([b'{"messageId":"refused"}'], MISSING_TIMESTAMP)
    road.send([event("first")])
    with road.worker():
        road.wait_settled()
        road.send([("somebody@example.net", foreign)])  # another partition: its events have no order beside the first
        road.wait_settled()
    assert verdicts(asked(road, "first")) == {"first": "taken"}
    said = asked(road, 'say "hi"')
    assert verdicts(said) == {'say "hi"': "duplicate"}
    assert said["events"][0]["winner"]["message_id"] == "first"
    assert len(asked(road, "refused")["refused"]) == 1
    assert len(asked(road, EMAIL)["events"]) == 1
    assert len(asked(road, EMAIL, "--everywhere")["events"]) == 2

    shown = CliRunner().invoke(why.command, ['say "hi"'], env=road.environment).stdout
    winner = said["events"][0]["winner"]
    assert f"a duplicate: event {winner['source']} (of 2020-05-01T12:00:00.000Z, message first) won 2020-05-01" in shown


def test_what_is_not_there_is_said(road: Road) -> None:
    """Nothing found, and an interaction that somebody deleted, are exit status 3; a format changed since is not."""
    road.send([event("first"), event("second", hour=13)])
    with road.worker():
        road.wait_settled()
    assert asked(road, "nobody@example.org", exit_code=3)["events"] == []
    assert asked(road, EMAIL, "--workspace", "other", exit_code=3)["events"] == []
    assert asked(road, EMAIL, "--until", "2020-01-01", "--since", "2019-01-01", exit_code=3)["events"] == []
    assert (len(asked(road, EMAIL, "--last", "1")["events"]), asked(road, EMAIL, "--last", "1")["older"]) == (1, 1)
    assert asked(road, EMAIL, "--group", f"{road.group}-other")["lag"] == 2  # nothing committed: all unread
