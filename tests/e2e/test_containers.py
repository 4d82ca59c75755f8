"""The image and docker-compose.yml, with a Docker engine: what a person gets from `docker compose up --wait`."""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from daymark.local import ports

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
IMAGE = "daymark:test"
KEY = "daymark_development_key"  # published in schemas/workspaces.example.toml
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp")
WORKERS = 3

LOOK_AROUND = """
import json, os, shutil
def refused(path):
    try:
        open(path, "w")
    except OSError:
        return True
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "uid": os.getuid(),
    "capabilities": int(status["CapEff"], 16),
    "refused": [path for path in ("/x", "/opt/daymark/x", "/etc/x", "/tmp/x") if refused(path)],
    "found": [name for name in ("cc", "gcc", "java", "valkey-server") if shutil.which(name)],
}))
"""


class Compose:
    """A project of docker-compose.yml with a name and ports of its own."""

    def __init__(self) -> None:
        self.name = f"daymark-test-{uuid.uuid4().hex[:8]}"
        self.port = ports.choose()
        self._environ = {name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_")}
        self._environ |= {"DAYMARK_PORT": str(self.port), "KAFKA_PORT": str(ports.choose()), "DAYMARK_IMAGE": IMAGE}

    def __call__(self, *words: str, ok: bool = True) -> str:
        """Run `docker compose` with these words; return what it says on stdout."""
        return docker("compose", "-p", self.name, *words, ok=ok, environ=self._environ)

    def containers(self, *services: str) -> list[str]:
        """Return the ids of the services' containers, running or not."""
        return self("ps", "--all", "--quiet", *services).split()


@pytest.fixture(scope="module")
def engine() -> None:
    """Skip where no engine with Compose answers."""
    for words in (["info"], ["compose", "version"]):
        if (
            not shutil.which("docker")
            or subprocess.run(["docker", *words], capture_output=True, check=False).returncode
        ):
            pytest.skip(f"no Docker engine answers: `docker {' '.join(words)}` fails")


@pytest.fixture(scope="module")
def image(engine: None) -> str:  # noqa: ARG001
    """Build the image; seconds when little has changed."""
    docker("build", "--tag", IMAGE, str(ROOT))
    return IMAGE


def test_the_image_holds_the_program_and_no_privilege(image: str) -> None:
    """It runs as a numbered user without capabilities, writes to /tmp alone, and carries no compiler and no server."""
    config = json.loads(docker("image", "inspect", image))[0]["Config"]
    assert config["Entrypoint"] == ["daymark"]
    assert config["User"] == "10001:10001"
    found = docker("run", "--rm", *HARDENED, "--entrypoint", "python", image, "-c", LOOK_AROUND)
    assert json.loads(found) == {
        "uid": 10001,
        "capabilities": 0,
        "refused": ["/x", "/opt/daymark/x", "/etc/x"],
        "found": [],
    }


@pytest.mark.parametrize(("part", "started"), [("ingest", "ingest.started"), ("process", "worker.started")])
def test_sigterm_ends_a_part_that_is_pid_1(image: str, part: str, started: str) -> None:
    """Hardened, as PID 1 and with nothing to reach, SIGTERM ends it with 0 within the grace of docker-compose.yml."""
    mount = f"type=bind,src={ROOT / 'schemas' / 'workspaces.example.toml'},dst=/workspaces.toml,readonly"
    nowhere = ("DAYMARK_KAFKA=127.0.0.1:1", "DAYMARK_REDIS=redis://127.0.0.1:1", "DAYMARK_WORKSPACES=/workspaces.toml")
    settings = [word for setting in nowhere for word in ("--env", setting)]
    with running(*HARDENED, "--mount", mount, *settings, image, part) as container:
        wait_until(lambda: started in docker("logs", container), f"{part} has started")
        docker("stop", "--time", "40", container)
        assert exit_codes([container]) == [0]


def test_compose_up_makes_an_interaction(image: str) -> None:  # noqa: ARG001
    """`docker compose up --wait` with three workers takes requests, shows their interactions, and stops with 0."""
    compose = Compose()
    try:
        compose("up", "--wait", "--quiet-pull", "--scale", f"processor={WORKERS}")
        assert len(compose.containers("processor")) == WORKERS
        identify(compose, "ada@example.com")
        identify(compose, "ada@example.com")
        identify(compose, "grace@example.com")
        assert interactions(compose, 2) == ["ada@example.com", "grace@example.com"]

        compose("stop")
        assert exit_codes(compose.containers("ingest", "processor", "topics")) == [0] * (WORKERS + 2)
    except BaseException:
        print(compose("logs", "--no-color", "--tail", "50", ok=False))  # noqa: T201  for the report of the failure
        raise
    finally:
        compose("down", "--volumes", "--timeout", "5", ok=False)


def identify(compose: Compose, email: str) -> None:
    """Send what the curl line of docs/local.md sends."""
    event = {"type": "identify", "timestamp": datetime.now(UTC).isoformat(), "traits": {"email": email}}
    answer = httpx.post(f"http://127.0.0.1:{compose.port}/v1/identify", auth=(KEY, ""), json=event, trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"success": True})


def interactions(compose: Compose, count: int) -> list[str]:
    """Return the contacts on the timeline, once there are so many."""
    words = ("--topic", "interactions", "--from-beginning", "--json", "--count", str(count), "--timeout", "60")
    lines = compose("exec", "-T", "processor", "daymark", "tail", *words).splitlines()
    return sorted(json.loads(line)["record"]["email"] for line in lines)


@contextmanager
def running(*words: str) -> Iterator[str]:
    """Run a container; it is removed in the end."""
    container = docker("run", "--detach", *words).strip()
    try:
        yield container
    finally:
        docker("rm", "--force", container)


def exit_codes(containers: list[str]) -> list[int]:
    states = [one["State"] for one in json.loads(docker("inspect", *containers))]
    assert not any(state["Running"] for state in states)
    return [state["ExitCode"] for state in states]


def docker(*words: str, ok: bool = True, environ: dict[str, str] | None = None) -> str:
    """Run `docker`; one that fails, fails the test with what it said."""
    done = subprocess.run(
        ["docker", *words], cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0 or not ok, f"docker {' '.join(words)}: {done.stderr}"
    return done.stdout


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = 60) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"in {deadline_s} s it did not come true that {what}"
        time.sleep(0.1)
