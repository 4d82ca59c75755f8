"""docker-compose.yml as a project of its own, and the engine's commands."""

import json
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from daymark.local import ports

ROOT: Final = Path(__file__).parents[2]
IMAGE: Final = "daymark:test"
FILES: Final = ("docker-compose.yml", "deploy/compose/profiles.yaml")
_PUBLISHED: Final = re.compile(r"\$\{(\w+_PORT):-")
KEY: Final = "daymark_development_key"  # published in schemas/workspaces.example.toml


class Compose:
    """A project of docker-compose.yml, and further files, with a name and ports of its own."""

    def __init__(self, *files: str) -> None:
        self.name = f"daymark-test-{uuid.uuid4().hex[:8]}"
        self._ports = {name: ports.choose() for name in sorted({*_PUBLISHED.findall("".join(map(_text, FILES)))})}
        self.port, self.kafka_port = self._ports["DAYMARK_PORT"], self._ports["KAFKA_PORT"]
        self._files = [word for file in ("docker-compose.yml", *files) for word in ("-f", file)]
        self._environ = {name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_")}
        self._environ |= {name: str(port) for name, port in self._ports.items()}

    def __call__(self, *words: str, ok: bool = True, image: str = IMAGE) -> str:
        """Run `docker compose` with these words; return what it says on stdout."""
        environ = {**self._environ, "DAYMARK_IMAGE": image}
        return docker("compose", "-p", self.name, *self._files, *words, ok=ok, environ=environ)

    def containers(self, *services: str) -> list[str]:
        """Return the ids of the services' containers, running or not."""
        return self("ps", "--all", "--quiet", *services).split()

    def is_healthy(self) -> bool:
        """Whether every container runs and is healthy; one may have ended with 0, as `topics` does."""
        states = [state(each) for each in self.containers()]
        lasting = [each for each in states if each["Running"] or each["ExitCode"]]
        return all(each["Running"] and each["Health"]["Status"] == "healthy" for each in lasting)


def _text(file: str) -> str:
    return (ROOT / file).read_text("utf-8")


def identify(compose: Compose, email: str) -> None:
    """Send what the curl line of docs/compose.md sends."""
    event = {"type": "identify", "timestamp": datetime.now(UTC).isoformat(), "traits": {"email": email}}
    answer = httpx.post(f"http://127.0.0.1:{compose.port}/v1/identify", auth=(KEY, ""), json=event, trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"success": True})


def state(container: str) -> dict[str, Any]:
    """Return what the engine says of a container's process and health."""
    found: dict[str, Any] = json.loads(docker("inspect", container))[0]["State"]
    return found


def kill(container: str) -> None:
    """Kill a container's process from the engine's host, as a crash would: the engine starts it again.

    `docker kill` counts as stopped by hand, after which it does not.
    """
    os.kill(state(container)["Pid"], signal.SIGKILL)


def docker(*words: str, ok: bool = True, environ: dict[str, str] | None = None) -> str:
    """Run `docker`; one that fails, fails the test with what it said."""
    done = subprocess.run(
        ["docker", *words], cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0 or not ok, f"docker {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = 180) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"in {deadline_s} s it did not come true that {what}"
        time.sleep(0.1)
