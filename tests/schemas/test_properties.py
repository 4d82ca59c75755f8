"""User properties: which are found, their names, values, kinds and membership."""

import json
from typing import Any

import pytest

from schemas import segment
from schemas.identify import Change, Identify
from schemas.workspace import PLAIN, Workspace

NOW_MS = 1_800_000_000_000
VIP = Workspace("w", audiences=("vip", "Total Spent"))


def changes(traits: str, workspace: Workspace = PLAIN, /, **context: Any) -> tuple[Change, ...]:
    """Return what an event with these traits, JSON text, sets."""
    body = (
        f'{{"type":"identify","timestamp":"2020-05-31T10:00:00Z","context":{json.dumps(context)},"traits":{traits},'
        '"email":"a@x.org"}'
    )
    found = segment.read(body.encode(), NOW_MS, workspace)
    assert isinstance(found, Identify)
    return found.changes


def personas(**fields: Any) -> dict[str, Any]:
    return {"computation_class": "trait", "computation_key": "spent", **fields}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ('"gold"', "gold"),
        ('""', ""),
        ('"half \\ud83d"', "half \ufffd"),
        ("5", 5),
        ("-0", 0),
        ("450.00", 450.0),
        ("1e3", 1000.0),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", "9223372036854775808"),
        ("1e400", "1e400"),
        ('["a", 1.50, {"b": 10000000000000000000000}]', '["a",1.50,{"b":10000000000000000000000}]'),
        ('{"\\u00e9": "\\ud83d"}', '{"é":"\ufffd"}'),
    ],
)
@pytest.mark.parametrize("email", ['"email":"a@x.org",', ""], ids=["fast", "tolerant"])
def test_a_value_of_any_type(text: str, value: object, email: str) -> None:
    """Scalars as they are; what Avro's types cannot hold as its text, digit for digit."""
    (change,) = changes(f'{{{email}"spent":{text}}}', personas=personas())
    assert (repr(change.value), change.kind, change.membership) == (repr(value), "trait", None)


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("audience", "true", ("audience", True)),
        ("audience", "false", ("audience", False)),
        ("AUDIENCE", "true", ("audience", True)),
        ("journey_step", '"true"', ("journey", True)),
        ("journey_step", '"false"', ("journey", None)),
        ("audience", "1", ("audience", None)),
        ("audience", "null", ("audience", None)),
        ("trait", "true", ("trait", None)),
    ],
)
def test_membership(kind: str, text: str, told: tuple[str, bool | None]) -> None:
    """Booleans of audiences and journeys, and the text "true"; a trait is no membership whatever it holds."""
    (change,) = changes(f'{{"email":"a@x.org","spent":{text}}}', personas=personas(computation_class=kind))
    assert (change.kind, change.membership) == told


@pytest.mark.parametrize("traits", ['{"email":"a@x.org"}', "{}", "null", '{"email":"a@x.org","other":false}'])
def test_a_journey_step_without_a_value_is_an_entry(traits: str) -> None:
    """A legacy Journey's step says who came by, and nothing else."""
    step = personas(computation_class="journey_step", computation_key="j_o_step_1")
    assert changes(traits, personas=step) == (Change("j_o_step_1", True, "journey", True),)


def test_a_journey_step_with_a_value_keeps_it() -> None:
    """Null is a value: the trait was unset."""
    step = personas(computation_class="journey_step", computation_key="step")
    for text, value, member in (("null", None, None), ("false", False, False), ('"true"', "true", True)):
        assert changes(f'{{"STEP":{text}}}', personas=step) == (Change("step", value, "journey", member),)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "spent"),
        ({"computation_name": "Other"}, "spent"),
        ({"computation_key": None, "computation_name": "Total  Spent (180 days)"}, "total_spent_180_days"),
        ({"computation_key": " ", "computation_name": "Größe"}, "größe"),
        ({"computation_key": 5, "computation_name": "spent"}, "spent"),
        ({"computation_key": "Total Spent 180_Days"}, "Total Spent 180_Days"),
    ],
)
def test_the_name(fields: dict[str, Any], name: str) -> None:
    """The computation's key as sent, or its name in snake case; in `traits` it stands in any spelling."""
    traits = {"email": "a@x.org", "Spent": 1, "totalSpent180Days": 1, "größe": 1}
    assert [change.name for change in changes(json.dumps(traits), personas=personas(**fields))] == [name]


@pytest.mark.parametrize(
    "fields",
    [
        {"computation_class": "event"},
        {"computation_class": None},
        {"computation_key": "missing"},
        {"computation_key": None},
        {"computation_key": "", "computation_name": "!"},
    ],
)
def test_no_property(fields: dict[str, Any]) -> None:
    """Another class, no name, or no value: an identify like any other."""
    assert changes('{"email":"a@x.org","spent":1}', personas=personas(**fields)) == ()


@pytest.mark.parametrize(
    ("traits", "found"),
    [
        ('{"vip":true}', [("vip", True)]),
        ('{"VIP":false,"total_spent":true}', [("vip", False), ("Total Spent", True)]),
        ('{"vip":"true"}', []),
        ('{"vip":1,"Vip":true}', [("vip", True)]),
        ('{"other":true}', []),
        ('{"v\\u0069p":true}', [("vip", True)]),
    ],
)
@pytest.mark.parametrize("email", ['"email":"a@x.org",', ""], ids=["fast", "tolerant"])
def test_audiences_of_plain_identifies(traits: str, found: list[tuple[str, bool]], email: str) -> None:
    """A boolean that the workspace knows as an audience is membership of it; nothing else is."""
    whole = traits.replace("{", "{" + email, 1)
    told = [Change(name, member, "audience", member) for name, member in found]
    assert list(changes(whole, VIP)) == told
    assert changes(whole) == ()


def test_audiences_in_context() -> None:
    """RudderStack's SDKs put traits in `context.traits` only."""
    assert changes("{}", VIP, traits={"vip": True}) == (Change("vip", True, "audience", True),)
    assert changes('{"vip":false}', VIP, traits={"vip": True}) == (Change("vip", False, "audience", False),)


def test_computed_properties_come_first() -> None:
    """What Engage computed is the one property of its call, whatever else its traits hold."""
    found = changes('{"email":"a@x.org","vip":true,"spent":1}', VIP, personas=personas())
    assert [change.name for change in found] == ["spent"]
