"""Days are those of the locked tz database, whatever the machine has."""

import copy
import json
import os
import pickle
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas import zones

ROOT = Path(__file__).parents[2]

# A zone, the offset that an older database gives it (in POSIX's sign), and an instant whose day differs for it.
OLDER = {
    "America/Vancouver": ("Etc/GMT+8", "2026-11-30T07:30Z", "2026-11-30"),
    "America/Edmonton": ("Etc/GMT+7", "2026-11-30T06:30Z", "2026-11-30"),
    "America/Inuvik": ("Etc/GMT+7", "2026-11-30T06:30Z", "2026-11-30"),
    "America/Winnipeg": ("Etc/GMT+6", "2026-11-30T05:30Z", "2026-11-30"),
    "America/Havana": ("Etc/GMT+5", "2026-11-30T04:30Z", "2026-11-30"),
    "Africa/Casablanca": ("Etc/GMT-1", "2026-11-29T23:30Z", "2026-11-29"),
    "Africa/El_Aaiun": ("Etc/GMT-1", "2026-11-29T23:30Z", "2026-11-29"),
    "Europe/Chisinau": ("Etc/GMT-3", "2026-11-29T21:30Z", "2026-11-29"),
}

# What the workers, the audit and plain Python say of an instant in each zone.
JUDGE = """
import json, sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo
from daymark.auditing.records import Raw
from daymark.auditing.truth import Truth
from daymark.commands.simulate import _zone
from schemas import timestamps
from schemas.identify import Identify
from schemas.workspace import parse

said = {}
for number, (name, instant) in enumerate(json.loads(sys.argv[1]).items()):
    workspaces = parse(f"[workspaces.w]\\ntime_zone = {json.dumps(name)}")
    instant_ms = timestamps.parse(instant)
    raw = Raw(0, number, b"k", b"{}", "w", instant_ms, instant_ms)
    days = [
        timestamps.day(instant_ms, workspaces.get("w").zone),
        timestamps.day(instant_ms, _zone(name)),
        Truth(workspaces).contact_day(raw, Identify("a@b", instant_ms, None))[1],
    ]
    system = datetime.fromtimestamp(instant_ms / 1000, UTC).astimezone(ZoneInfo(name)).date()
    said[name] = [*(str(date(1970, 1, 1) + timedelta(day)) for day in days), str(system)]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the days that a process says whose system has an older database: of workers, simulation, audit, Python."""
    system = tmp_path_factory.mktemp("zoneinfo")
    for name, (older, *_) in OLDER.items():
        (system / name).parent.mkdir(exist_ok=True)
        data = files("tzdata").joinpath("zoneinfo", *older.split("/")).read_bytes()
        (system / name).write_bytes(data)
    instants = json.dumps({name: instant for name, (_, instant, _) in OLDER.items()})
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, instants],
        env={**os.environ, "PYTHONTZPATH": str(system), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    said: dict[str, list[str]] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize("name", OLDER)
def test_a_day_is_that_of_the_locked_database(name: str, judged: dict[str, list[str]]) -> None:
    """Workers, simulation and audit agree, on a machine whose own database says another day."""
    day = OLDER[name][2]
    *ours, system = judged[name]
    assert ours == [day, day, day]
    assert system != day, "the machine's database is not older: the test shows nothing"


def test_a_zone_is_read_once_and_crosses_processes() -> None:
    """The same name is the same zone; a copy or a pickle is that of the locked database, too."""
    found = zones.find("America/Vancouver")
    assert found is zones.find("America/Vancouver")
    assert copy.deepcopy(found) is pickle.loads(pickle.dumps(found)) is found
    assert isinstance(found, ZoneInfo)
    assert zones.find("UTC") is None


def test_every_name_of_the_database_is_a_zone() -> None:
    for name in files("tzdata").joinpath("zones").read_text().split():
        assert name == "UTC" or str(zones.find(name)) == name


@pytest.mark.parametrize(
    "name", ["", "Europe", "europe/berlin", "localtime", "posix/Europe/Berlin", "../zones", "/etc/localtime", "\0"]
)
def test_another_name_is_none(name: str) -> None:
    with pytest.raises(zones.UnknownZone):
        zones.find(name)


def test_the_version_is_told_as_iana_tells_it() -> None:
    assert re.fullmatch(r"20\d\d[a-z]", zones.version())


def test_no_other_module_makes_a_zone() -> None:
    """`ZoneInfo(name)` would read the machine's."""
    sources = (
        path for folder in ("daymark", "ingest", "processor", "schemas") for path in (ROOT / folder).rglob("*.py")
    )
    assert [path.name for path in sources if re.search(r"\bZoneInfo\(|\btzpath|\bgettz\(", path.read_text())] == [
        "zones.py"
    ]
