"""docker-compose.yml and all its profiles, as Compose itself reads them; no engine is needed."""

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
STORE: Final = ("-f", "docker-compose.yml", "-f", "deploy/compose/store-failover.yaml")
OURS: Final = {"topics", "ingest", "processor", "timeline", "simulate", "backfill"}
MADE: Final = ROOT / "deploy" / "compose" / "secrets"  # by secrets.sh, and not in the repository


def _read(*files: str) -> dict[str, Any]:
    words = ["docker", "compose", *files, "--profile", "*", "config", "--format", "json"]
    own = ("DAYMARK_", "COMPOSE_")
    environ = {name: text for name, text in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode and "is not a docker command" in done.stderr:
        pytest.skip("Docker's client has no Compose")
    assert done.returncode == 0, done.stderr
    assert "variable is not set" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module", params=[(), STORE], ids=["one store", "store-failover"])
def project(request: pytest.FixtureRequest) -> dict[str, Any]:
    if shutil.which("docker") is None:
        pytest.skip("Docker's client is not installed")
    return _read(*request.param)


def test_every_part_is_bounded(project: dict[str, Any]) -> None:
    """In memory, CPU time, processes and logs; without capabilities; /tmp too where the rest is read-only."""
    bounds = ("mem_limit", "cpus", "pids_limit", "logging", "cap_drop", "security_opt")
    missing = [(name, key) for name, part in project["services"].items() for key in bounds if not part.get(key)]
    assert missing == []
    parts = {name: project["services"][name] for name in OURS}
    loose = [name for name, part in parts.items() if not (part.get("read_only") and "size=" in part["tmpfs"][0])]
    assert loose == []


def test_ports_are_open_to_this_machine_alone(project: dict[str, Any]) -> None:
    """All of different numbers, so that every profile can run at once."""
    ports = [port for part in project["services"].values() for port in part.get("ports", ())]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert len({port["published"] for port in ports}) == len(ports) > 5


def test_the_files_it_names_exist(project: dict[str, Any]) -> None:
    """Except those that deploy/compose/secrets.sh makes; other users of the machine's engine can read them all."""
    files = {Path(each["file"]) for kind in ("configs", "secrets") for each in project[kind].values()}
    made = {file for file in files if file.is_relative_to(MADE)}
    assert [file for file in files - made if not file.is_file()] == []
    script = (MADE.parent / "secrets.sh").read_text("utf-8")
    assert [file.name for file in made if file.name not in script] == []


def test_no_secret_is_in_an_environment(project: dict[str, Any]) -> None:
    """`docker inspect` shows environments to everybody who may use the engine."""
    for name, part in project["services"].items():
        given = {variable for variable, text in (part.get("environment") or {}).items() if text is not None}
        secret = {each for each in given if any(word in each for word in ("KEY", "PASSWORD", "REDIS", "TOKEN"))}
        assert {each for each in secret if not each.endswith("_FILE")} == set(), name


def test_certificates_stand_strict_checks(tmp_path: Path) -> None:
    """Those of Python 3.13's clients; and what secrets.sh has made, it keeps."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    script = shutil.copy(MADE.parent / "secrets.sh", tmp_path)
    subprocess.run(["sh", script, "events.example.com"], check=True, capture_output=True, timeout=60)
    made = {file.name: file.read_bytes() for file in (tmp_path / "secrets").iterdir() if file.name != "ca.key"}
    verify = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.pem"]
    for host, certificate in (("events.example.com", "ingest.crt"), ("store", "store.crt")):
        words = [*verify, "-verify_hostname", host, certificate]
        done = subprocess.run(words, cwd=tmp_path / "secrets", capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    subprocess.run(["sh", script], check=True, capture_output=True, timeout=60)
    assert {name: (tmp_path / "secrets" / name).read_bytes() for name in made} == made


def test_the_image_gets_every_package() -> None:
    """A package that .dockerignore does not name would be missing, and only its own commands would notice."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    named = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert [package for package in build["packages"] if f"!{package}" not in named] == []
