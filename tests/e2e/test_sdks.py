"""Published SDKs, unmodified, pointed at `daymark up`: no retry, no error, one interaction a contact (issue 3).

They are installed once into `daymark/sdks` of the user's cache folder. That no event was sent twice is what ingest
says: as many events accepted as were handed to the SDK, and no answer but 200.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from schemas.topics import Topics
from tests.flows import Road

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(600)]

CONTACTS = 1000
EVENTS = CONTACTS + 50  # so many contacts come twice on their day
ROOT = Path(__file__).parents[2]
SENDERS = Path(__file__).with_name("sdks")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "daymark" / "sdks"


class Sdk(NamedTuple):
    """A release of an SDK, and how it is loaded."""

    package: str
    version: str
    module: str
    install: Callable[[Path, str, str], None]
    command: Callable[[Path], list[str]]


class Daymark(NamedTuple):
    """A running `daymark up`."""

    http: str
    admin: str
    key: str
    road: Road


def install_with_pip(folder: Path, package: str, version: str) -> None:
    run(sys.executable, "-m", "venv", str(folder))
    run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", f"{package}=={version}")


def install_with_npm(folder: Path, package: str, version: str) -> None:
    folder.mkdir()
    run("npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), f"{package}@{version}")


def python(folder: Path) -> list[str]:
    return [str(folder / "bin" / "python"), str(SENDERS / "send.py")]


def node(folder: Path) -> list[str]:
    return ["env", f"NODE_PATH={folder / 'node_modules'}", "node", str(SENDERS / "send.cjs")]


SDKS = [
    Sdk("segment-analytics-python", "2.3.4", "segment.analytics.client", install_with_pip, python),
    Sdk("segment-analytics-python", "2.4.0", "segment.analytics.client", install_with_pip, python),
    Sdk("rudder-sdk-python", "2.1.9", "rudderstack.analytics.client", install_with_pip, python),
    Sdk("@segment/analytics-node", "3.1.0", "@segment/analytics-node", install_with_npm, node),
]


@pytest.fixture(scope="module")
def daymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daymark]:
    """Run `daymark up` in its own folder."""
    folder = tmp_path_factory.mktemp("up")
    environ = {name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_")}
    environ |= {f"DAYMARK_{name}": "127.0.0.1:0" for name in ("HTTP", "ADMIN", "TIMELINE_HTTP")} | {
        "PYTHONPATH": str(ROOT)
    }
    command = [sys.executable, "-m", "daymark", "up", "--json"]
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=errors)
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (folder / "errors").read_text()
            told = json.loads(line)
            road = Road(told["kafka"], told["redis"], Topics(""), b"")
            road.group = "daymark"
            yield Daymark(told["http"], told["admin"], told["key"], road)
        finally:
            process.terminate()
            process.wait(60)


@pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: f"{sdk.package}-{sdk.version}")
def test_an_unmodified_sdk_is_at_home(daymark: Daymark, sdk: Sdk) -> None:
    """1,000 contacts, some twice a day: no error, no retry, no refusal, and each contact has one interaction."""
    if sdk.install is install_with_npm and not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    before = counts(daymark)
    domain = f"{sdk.package.strip('@').replace('/', '-')}-{sdk.version}.example"
    folder = installed(sdk)
    words = (sdk.module, daymark.http, domain, str(EVENTS), str(CONTACTS))
    sent = run(*sdk.command(folder), *words, SDK_KEY=daymark.key)
    assert json.loads(sent.stdout) == []
    assert sent.stderr == ""  # where Python's SDKs log what they meet

    came = counts(daymark) - before
    assert {name for name in came if name.startswith("daymark_ingest_requests_total")} == {
        'daymark_ingest_requests_total{code="",status="200"}'
    }
    assert came['daymark_ingest_events_total{result="accepted"}'] == EVENTS

    daymark.road.wait_settled()
    found = Counter(one["email"] for one in daymark.road.interactions() if one["email"].endswith(f"@{domain}"))
    assert found == {f"contact-{number}@{domain}": 1 for number in range(CONTACTS)}


def installed(sdk: Sdk) -> Path:
    """Return the folder of an SDK, installed if it is not; half an installation is never left there."""
    folder = CACHE / f"{sdk.package.strip('@').replace('/', '-')}-{sdk.version}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = folder / ".ready"
        if not ready.exists() or not shutil.which(sdk.command(folder)[0]):  # the venv's Python may be gone
            shutil.rmtree(folder, ignore_errors=True)
            sdk.install(folder, sdk.package, sdk.version)
            ready.touch()
    return folder


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command; one that fails, fails the test with what it said."""
    done = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def counts(daymark: Daymark) -> Counter[str]:
    """Return ingest's metrics, by name and labels as Prometheus writes them."""
    with urllib.request.urlopen(f"{daymark.admin}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return Counter(
        {name: int(float(text)) for name, _, text in (line.rpartition(" ") for line in lines if line[0] != "#")}
    )
