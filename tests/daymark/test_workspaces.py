"""`daymark workspaces check`: what a file says, and what its formats make of events, before it is in its place."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from daymark import samples
from daymark.commands import workspaces
from daymark.settings import SettingsFaults
from schemas import workspace
from tests import examples

ACME = """\
[workspaces.acme]
keys = ["sha256:%s"]
time_zone = "Europe/Berlin"
standard_message = "Contact visited [acme]"
rate_per_second = 2500
audiences = ["vip", "beta testers"]
""" % ("0a" * 32)
WIDE = '[workspaces.acme.format]\nemail = "traits.email || context.traits.email || email"\n'
FOREIGN = '[workspaces.acme.format]\nemail = "who.mails[?work].is | [0]"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "workspaces.toml"


def check(path: Path, text: str, *arguments: str, exit_code: int = 0) -> Result:
    path.write_text(text)
    result = CliRunner().invoke(workspaces.command, ["check", str(path), *arguments])
    assert result.exit_code == exit_code, result.output
    return result


def rows(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def cells(result: Result) -> list[list[str]]:
    return [line.split() for line in result.stdout.splitlines()]


def test_a_file_is_told_as_it_is_understood(path: Path) -> None:
    """Each setting of each workspace, defaults as well."""
    shown = check(path, f"{ACME}\n[workspaces.bare]\n").stdout
    for text in ("Europe/Berlin", "Contact visited [acme]", "2,500 events per second", "vip, beta testers"):
        assert text in shown
    for text in ("none: it cannot send events", "UTC", "Contact visited your website", "no limit"):
        assert text in shown
    assert "0a0a" not in shown


def test_json_tells_the_same(path: Path) -> None:
    """One line, for tools."""
    [row] = rows(check(path, ACME + WIDE, "--json"))
    found = row.pop("events")
    assert row == {
        "workspace": "acme",
        "keys": 1,
        "time_zone": "Europe/Berlin",
        "standard_message": "Contact visited [acme]",
        "rate_per_second": 2500,
        "signed": False,
        "audiences": ["vip", "beta testers"],
        "format": {"email": "traits.email || context.traits.email || email"},
    }
    assert 0 < found["read"] < len(samples.examples())


def test_a_format_is_tried_on_the_examples(path: Path) -> None:
    """How many it reads and rejects, by reason, beside what would be without any."""
    result = check(path, ACME + WIDE)
    good = sum(not example.is_refused for example in examples.load())
    [head] = [line for line in result.stdout.splitlines() if line.strip().startswith("Of ")]
    assert head.split()[:3] == ["Of", str(len(examples.load())), "events"]
    [read] = [line for line in cells(result) if line[:1] == ["read"]]
    assert read[2] == str(good)
    assert 0 < int(read[1]) < good  # `Email` and `e-mail` are not what the expression says
    [missing] = [line for line in cells(result) if line[:1] == ["missing_email"]]
    assert int(missing[1]) > int(missing[2])


def test_a_format_that_reads_nothing_is_a_failure(path: Path) -> None:
    """With a way on: events of one's own."""
    said = check(path, ACME + FOREIGN, exit_code=3).stderr
    assert f"the format of acme matches none of {len(examples.load())} events" in said
    assert "--events FILE" in said
    check(path, ACME + FOREIGN, "--json", exit_code=3)


def test_a_format_is_tried_on_events_of_ones_own(path: Path, tmp_path: Path) -> None:
    """One a line; they have just been received."""
    events = tmp_path / "events.ndjson"
    good = {"type": "identify", "timestamp": 1590947747, "who": {"mails": [{"work": True, "is": "a@b.co"}]}}
    events.write_text("\n".join([json.dumps(good), "", json.dumps(good), '{"timestamp":1}', "no JSON"]) + "\n")
    [row] = rows(check(path, ACME + FOREIGN, "--events", str(events), "--json"))
    assert row["events"] == {"read": 2, "rejected": {"missing_email": 1, "malformed_json": 1}}
    [read] = [line for line in cells(check(path, ACME + FOREIGN, "--events", str(events))) if line[:1] == ["read"]]
    assert read == ["read", "2", "0"]
    said = check(path, ACME + WIDE, "--events", str(events), exit_code=3).stderr
    assert "matches none of 4 events" in said
    assert "--events" not in said


def test_no_events_are_no_dry_run(path: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.ndjson"
    empty.write_text("\n")
    assert "contains no event" in check(path, ACME + WIDE, "--events", str(empty), exit_code=1).stderr


def test_of_many_events_the_first_are_tried(tmp_path: Path) -> None:
    """A dry run takes a moment, however long the file."""
    many = tmp_path / "many.ndjson"
    many.write_text("{}\n" * (samples.MOST_SAMPLES + 5))
    assert len(samples.of_file(many, 0)) == samples.MOST_SAMPLES


def test_a_faulty_file_is_refused_with_every_fault(path: Path) -> None:
    """The command line turns these faults into exit status 2, as for other settings."""
    path.write_text(ACME + "colour = 1\n[workspaces.acme.format]\nemail = 'a['\nurl = 'len(a)'\n")
    result = CliRunner().invoke(workspaces.command, ["check", str(path)])
    assert isinstance(result.exception, SettingsFaults)
    assert [fault.removeprefix(f"{path}: workspaces.acme.") for fault in result.exception.faults] == [
        f"colour: unknown; known are {', '.join(workspace._SETTINGS)}",
        "format.email: not JMESPath: unexpected end",
        "format.url: len() is not a JMESPath function",
    ]


def test_a_file_that_is_not_there_is_bad_use(path: Path) -> None:
    result = CliRunner().invoke(workspaces.command, ["check", str(path)])
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


def test_a_file_without_workspaces_is_said(path: Path) -> None:
    assert "every API key would be refused" in check(path, "").stdout


def test_the_examples_are_those_of_the_tests() -> None:
    """The program carries schemas/examples and reads them as the tests do."""
    assert samples.examples() == [(example.body, example.received_at_ms) for example in examples.load()]
    assert samples.dry_run(workspace.PLAIN, samples.examples()).read == sum(
        not example.is_refused for example in examples.load()
    )


def test_the_example_file_is_good(path: Path) -> None:
    """schemas/workspaces.example.toml is read as it is, and with every setting in force."""
    text = Path(workspace.__file__).with_name("workspaces.example.toml").read_text()
    check(path, text)
    whole = re.sub(r"^# (?=\[|\w+ = )", "", text, flags=re.MULTILINE)
    [row] = rows(check(path, whole, "--json"))
    assert row["rate_per_second"]
    assert row["audiences"]
    assert set(row["format"]) == {"email", "timestamp", "url", "event"}
    assert row["time_zone"] != "UTC"
