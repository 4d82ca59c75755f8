"""Three Kafka nodes and a Valkey in containers, to be hurt as embedded ones are (`ground`).

Invariant: a container that was killed is started again with its data, at the same address.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from daymark.local import ports
from daymark.local.properties import Node, server_properties
from tests import images, parts
from tests.faults.hurtable import Ports

_CONTROLLER, _BROKER = 9093, 19092
_DATA = Path("/tmp/kafka")  # in the container
_CLUSTER_ID = "ZGF5bWFyay1mYXVsdHMtMQ"
_START_S, _POLL_S = 120.0, 0.2


def check_engine() -> None:
    """Leave with a word of what to do when no Docker engine answers."""
    if not parts.engine_answers(os.environ):
        sys.exit("--containers wants a Docker engine, and none answers: start one, or leave the option out")


class Cluster:
    """Kafka nodes, numbered from 1, in a network of their own."""

    def __init__(self, nodes: int, settings: Mapping[str, str]) -> None:
        """Choose ports; nothing runs yet."""
        self._nodes = [Node(number, _DATA, ports.choose(), _CONTROLLER) for number in range(1, nodes + 1)]
        self._settings = settings
        self._ports: Ports = {}
        self._network = Network()
        self._containers: dict[int, DockerContainer] = {}

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers, `host:port`, comma-separated."""
        return ",".join(map(_address, self._nodes))

    def announce(self, ports_of: Ports) -> None:
        """Say, for each node and listener, the port it listens on and the one that it advertises."""
        self._ports = ports_of

    def start(self) -> None:
        """Start all and return when they are ready."""
        self._network.create()
        for node in self._nodes:
            self._containers[node.number] = self._container(node).start()
        self.wait_ready()

    def launch(self) -> None:
        """Start every node that was killed; don't wait for them."""
        for container in self._containers.values():
            _start_again(container)

    def kill(self, number: int) -> None:
        """Kill a node, as a crash would."""
        _kill(self._containers[number])

    def wait_ready(self) -> None:
        """Return when each node answers, and knows all the others."""
        for node in self._nodes:
            _wait(partial(self._knows_all, node), f"Kafka at {_address(node)}")

    def discard(self) -> None:
        """Remove all of it."""
        for container in self._containers.values():
            container.stop()
        self._network.remove()

    def _knows_all(self, node: Node) -> bool:
        admin = AdminClient({"bootstrap.servers": _address(node), "log_level": 0})
        return len(admin.list_topics(timeout=1).brokers) == len(self._nodes)

    def _container(self, node: Node) -> DockerContainer:
        own = {name: place for (number, name), place in self._ports.items() if number == node.number}
        own["PLAINTEXT"] = (node.port, node.port)
        inside = f"BROKER://0.0.0.0:{_BROKER}"
        settings = {
            "controller.quorum.voters": ",".join(f"{n.number}@{_name(n)}:{_CONTROLLER}" for n in self._nodes),
            "listeners": ",".join(
                [
                    f"CONTROLLER://0.0.0.0:{_CONTROLLER}",
                    inside,
                    *(f"{k}://0.0.0.0:{port}" for k, (port, _) in own.items()),
                ]
            ),
            "advertised.listeners": ",".join(
                [
                    f"BROKER://{_name(node)}:{_BROKER}",
                    *(f"{k}://{ports.LOOPBACK}:{told}" for k, (_, told) in own.items()),
                ]
            ),
            "listener.security.protocol.map": ",".join(f"{k}:PLAINTEXT" for k in ("CONTROLLER", "BROKER", *own)),
            "inter.broker.listener.name": "BROKER",
        }
        wanted = server_properties(node, self._nodes, {**self._settings, **settings})
        container = DockerContainer(images.KAFKA).with_network(self._network).with_network_aliases(_name(node))
        container.with_envs(**{f"KAFKA_{name.upper().replace('.', '_')}": text for name, text in wanted.items()})
        container.with_envs(CLUSTER_ID=_CLUSTER_ID, KAFKA_HEAP_OPTS="-Xms64m -Xmx512m")
        for port, _ in own.values():
            container.with_bind_ports(port, port)
        return container


class Store:
    """A Valkey."""

    def __init__(self) -> None:
        """Choose a port; nothing runs yet."""
        self._port = ports.choose()
        self._container: DockerContainer | None = None

    @property
    def url(self) -> str:
        """The server's URL, as redis clients take it."""
        return f"redis://{ports.LOOPBACK}:{self._port}/0"

    def start(self) -> None:
        """Start it and return when it answers."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it if it does not run; don't wait for it."""
        if self._container is not None:
            return _start_again(self._container)
        container = DockerContainer(images.VALKEY).with_bind_ports(6379, self._port)
        container.with_command("valkey-server --appendonly yes --appendfsync everysec --maxmemory-policy noeviction")
        self._container = container.start()
        return None

    def wait_ready(self) -> None:
        """Return when it answers."""
        client = redis.Redis.from_url(self.url, socket_timeout=1)
        _wait(lambda: bool(client.ping()), f"Valkey at {self.url}")

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self._container is not None:
            _kill(self._container)

    def wipe(self) -> None:
        """Remove its data: the next start is empty."""
        if self._container is not None:
            self._container.stop()
        self._container = None

    def freeze(self) -> None:
        """Stop it without its knowledge."""
        if self._container is not None:
            self._container.get_wrapped_container().pause()

    def thaw(self) -> None:
        """Let it go on."""
        if self._container is not None:
            self._container.get_wrapped_container().unpause()


def _name(node: Node) -> str:
    return f"kafka-{node.number}"


def _address(node: Node) -> str:
    return f"{ports.LOOPBACK}:{node.port}"


def _kill(container: DockerContainer) -> None:
    wrapped = container.get_wrapped_container()
    wrapped.reload()
    if wrapped.status == "running":
        wrapped.kill()


def _start_again(container: DockerContainer) -> None:
    wrapped = container.get_wrapped_container()
    wrapped.reload()
    if wrapped.status != "running":
        wrapped.start()


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        with suppress(KafkaException, redis.RedisError):
            if ready():
                return
        assert time.monotonic() < deadline, f"{what} is not ready after {_START_S:.0f} s"
        time.sleep(_POLL_S)
