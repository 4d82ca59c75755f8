"""docker-compose.yml as a project of its own, and the engine's commands."""

import os
import subprocess
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx

from daymark.local import ports

ROOT: Final = Path(__file__).parents[2]
IMAGE: Final = "daymark:test"
KEY: Final = "daymark_development_key"  # published in schemas/workspaces.example.toml


class Compose:
    """A project of docker-compose.yml with a name and ports of its own."""

    def __init__(self) -> None:
        self.name = f"daymark-test-{uuid.uuid4().hex[:8]}"
        self.port = ports.choose()
        self.kafka_port = ports.choose()
        self._environ = {name: text for name, text in os.environ.items() if not name.startswith("DAYMARK_")}
        self._environ |= {"DAYMARK_PORT": str(self.port), "KAFKA_PORT": str(self.kafka_port), "DAYMARK_IMAGE": IMAGE}

    def __call__(self, *words: str, ok: bool = True) -> str:
        """Run `docker compose` with these words; return what it says on stdout."""
        return docker("compose", "-p", self.name, *words, ok=ok, environ=self._environ)

    def containers(self, *services: str) -> list[str]:
        """Return the ids of the services' containers, running or not."""
        return self("ps", "--all", "--quiet", *services).split()


def identify(compose: Compose, email: str) -> None:
    """Send what the curl line of docs/local.md sends."""
    event = {"type": "identify", "timestamp": datetime.now(UTC).isoformat(), "traits": {"email": email}}
    answer = httpx.post(f"http://127.0.0.1:{compose.port}/v1/identify", auth=(KEY, ""), json=event, trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {"success": True})


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
