"""Clients that send their key only when a 401 asks for it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ingest.conftest import Server
from tests.ingest.fake_server import KEY
from tests.ingest.wire import event

NO_PROXY = {"no_proxy": "*", "PATH": "/usr/local/bin:/usr/bin:/bin"}


def _run(program: str, *arguments: str, home: Path) -> str:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    command = [program, *arguments]
    environ = NO_PROXY | {"HOME": str(home)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30, env=environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl_that_picks_a_scheme(server: Server, tmp_path: Path) -> None:
    """`curl --anyauth` asks first without a key, then with the scheme that it was offered."""
    url = "http://{}:{}/v1/identify".format(*server.http)
    said = _run("curl", "-sS", "--fail", "--anyauth", "-u", f"{KEY}:", "-d", event().decode(), url, home=tmp_path)
    assert said == '{"success":true}'


def test_wget_that_waits_to_be_challenged(server: Server, tmp_path: Path) -> None:
    """Wget sends credentials only once it is challenged."""
    url = "http://{}:{}/v1/identify".format(*server.http)
    credentials = [f"--user={KEY}", "--password=x", f"--post-data={event().decode()}"]
    assert _run("wget", "-qO-", "--tries=1", *credentials, url, home=tmp_path) == '{"success":true}'
