"""The image and docker-compose.yml, with a Docker engine: what a person gets from `docker compose up --wait`."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.compose import IMAGE, ROOT, Compose, docker, identify, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

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
    "found": [name for name in ("cc", "gcc", "java", "pip", "valkey-server") if shutil.which(name)],
}))
"""


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
    """It runs as a numbered user without capabilities, writes to /tmp alone; no compiler, no server, no pip."""
    config = json.loads(docker("image", "inspect", image))[0]["Config"]
    assert config["Entrypoint"] == ["daymark"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"][0] == "CMD"
    wanted = {"title", "description", "licenses", "version", "revision", "created", "source", "url", "documentation"}
    assert wanted <= {name.removeprefix("org.opencontainers.image.") for name in config["Labels"]}
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
    """`docker compose up --wait` with three workers takes requests and shows their interactions; it stops with 0.

    Also after Kafka was made anew, at another address of the network and with its data.
    """
    compose = Compose()
    try:
        compose("up", "--wait", "--quiet-pull", "--scale", f"processor={WORKERS}")
        assert len(compose.containers("processor")) == WORKERS
        identify(compose, "ada@example.com")
        identify(compose, "ada@example.com")
        identify(compose, "grace@example.com")
        assert interactions(compose, 2) == ["ada@example.com", "grace@example.com"]

        compose("up", "--detach", "--wait", "--no-deps", "--force-recreate", "kafka")
        wait_until(lambda: is_taken(compose, "mary@example.com"), "ingest has found Kafka again", 120)
        assert interactions(compose, 3) == ["ada@example.com", "grace@example.com", "mary@example.com"]

        compose("stop")
        assert exit_codes(compose.containers("ingest", "processor", "topics")) == [0] * (WORKERS + 2)
    except BaseException:
        print(compose("logs", "--no-color", "--tail", "50", ok=False))  # noqa: T201  for the report of the failure
        raise
    finally:
        compose("down", "--volumes", "--timeout", "5", ok=False)


def is_taken(compose: Compose, email: str) -> bool:
    """Send an identify; return whether it was answered 200, rather than 503 or not at all."""
    try:
        identify(compose, email)
    except (AssertionError, httpx.HTTPError):
        return False
    return True


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
