"""Holds the shared Kafka and Valkey of a test run: `parts_server.py KIND FOLDER PID`.

Starts them, writes their addresses to FOLDER, and ends them on request or when process PID is gone.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from daymark.local import ports, processes
from daymark.local.kafka import Kafka
from daymark.local.preparation import prepare
from daymark.local.properties import Node, server_properties
from daymark.local.valkey import Valkey
from tests import images

_READY_S = 300
_POLL_S = 0.2


def main(kind: str, folder: Path, watched_pid: int) -> None:
    """Hold the parts for as long as they are wanted."""
    if os.fork():
        return  # the caller need not wait
    os.setsid()
    processes.note(folder / "pid", os.getpid())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    watched = processes.birth(watched_pid)
    with ExitStack() as stack:
        containers = kind == "testcontainers"
        kafka = stack.enter_context(_kafka_container() if containers else _embedded_kafka(folder))
        redis = stack.enter_context(_valkey_container() if containers else _embedded_valkey(folder))
        new = folder / "addresses.new"
        new.write_text(json.dumps({"kafka": kafka, "redis": redis}))
        new.replace(folder / "addresses.json")
        while watched is not None and processes.birth(watched_pid) == watched:
            time.sleep(_POLL_S)


@contextmanager
def _embedded_kafka(folder: Path) -> Iterator[str]:
    kafka = Kafka(prepare(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")), folder / "kafka")
    try:
        kafka.start()
        yield kafka.bootstrap
    finally:
        kafka.discard()


@contextmanager
def _embedded_valkey(folder: Path) -> Iterator[str]:
    valkey = Valkey(folder / "valkey")
    try:
        valkey.start()
        yield valkey.url
    finally:
        valkey.kill()


@contextmanager
def _kafka_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    port = ports.choose()
    node = Node(1, Path("/tmp/kafka"), port, 9093)
    # The same port inside and outside: the broker sends transaction markers to itself by its advertised address.
    listeners = {"listeners": f"PLAINTEXT://0.0.0.0:{port},CONTROLLER://127.0.0.1:9093"}
    settings = server_properties(node, [node], listeners)
    container = DockerContainer(images.KAFKA).with_bind_ports(port, port)
    container.with_envs(**{f"KAFKA_{name.upper().replace('.', '_')}": text for name, text in settings.items()})
    with container:
        bootstrap = f"{ports.LOOPBACK}:{port}"
        _wait_for_kafka(bootstrap)
        yield bootstrap


@contextmanager
def _valkey_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    port = ports.choose()
    container = DockerContainer(images.VALKEY).with_bind_ports(6379, port)
    container.with_command("valkey-server --appendonly yes --maxmemory-policy noeviction")
    with container.waiting_for(LogMessageWaitStrategy("Ready to accept connections")):
        yield f"redis://{ports.LOOPBACK}:{port}/0"


def _wait_for_kafka(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            admin.list_topics(timeout=1)
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
        else:
            return


main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
