"""Kills each worker of docker-compose.yml under load, and says how long its partitions stood still; then audits.

A worker is killed by its process, from the engine's host: `docker kill` counts as stopped by hand, after which the
engine does not restart it.
"""

import json
import os
import signal
import threading
import time
from collections import defaultdict
from itertools import pairwise
from typing import Final

import httpx
from confluent_kafka import Consumer
from rich.console import Console
from rich.table import Table

from schemas.topics import Topics
from tests.e2e.compose import IMAGE, KEY, ROOT, Compose, docker

WORKERS: Final = 3
ROUNDS: Final = 2
_EACH_S: Final = 30.0  # between two kills
_PAUSE_S: Final = 0.004  # between two events: each partition has one several times a second

console = Console()


class Watch:
    """When interactions became visible, by partition."""

    def __init__(self, kafka: str) -> None:
        self.seen: dict[int, list[float]] = defaultdict(list)
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": "watch",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        self._consumer.subscribe([Topics().interactions])

    def run(self, leaves: threading.Event) -> None:
        while not leaves.is_set():
            for message in self._consumer.consume(1000, 0.05):
                partition = message.partition()
                if message.error() is None and partition is not None:
                    self.seen[partition].append(time.monotonic())
        self._consumer.close()

    def longest_gap(self, since: float) -> float:
        """Return the longest time without an interaction in any one partition, in seconds."""
        gaps = [0.0]
        for times in self.seen.values():
            before = max((one for one in times if one <= since), default=since)
            later = [before, *(one for one in times if one > since)]
            gaps += [after - one for one, after in pairwise(later)]
        return max(gaps)


def send(compose: Compose, leaves: threading.Event) -> None:
    """Send one identify after the other, each of a new contact."""
    with httpx.Client(auth=(KEY, ""), base_url=f"http://127.0.0.1:{compose.port}", trust_env=False) as client:
        number = 0
        while not leaves.is_set():
            number += 1
            event = {"type": "identify", "timestamp": "2026-11-30T12:00:00Z", "email": f"contact-{number}@example.org"}
            client.post("/v1/identify", json=event, timeout=30).raise_for_status()
            time.sleep(_PAUSE_S)


def kill(container: str) -> None:
    state = json.loads(docker("inspect", container))[0]["State"]
    os.kill(state["Pid"], signal.SIGKILL)


def main() -> None:
    docker("build", "--tag", IMAGE, str(ROOT))
    compose, leaves = Compose(), threading.Event()
    table = Table("killed", "longest stand-still of a partition, s")
    try:
        compose("up", "--wait", "--quiet-pull", "--scale", f"processor={WORKERS}")
        watch = Watch(f"127.0.0.1:{compose.kafka_port}")
        works = [
            threading.Thread(target=watch.run, args=(leaves,)),
            threading.Thread(target=send, args=(compose, leaves)),
        ]
        for work in works:
            work.start()
        time.sleep(_EACH_S)
        for container in compose.containers("processor") * ROUNDS:
            began = time.monotonic()
            kill(container)
            time.sleep(_EACH_S)
            table.add_row(container[:12], f"{watch.longest_gap(began):.1f}")
        leaves.set()
        for work in works:
            work.join()
        time.sleep(3)
        console.print(table)
        console.print(compose("exec", "-T", "processor", "daymark", "audit", "--no-replays"))
    finally:
        leaves.set()
        compose("down", "--volumes", "--timeout", "5", ok=False)


if __name__ == "__main__":
    main()
