"""A cluster of Apache Kafka nodes (KRaft, each broker and controller) in one folder, on the loopback address.

Owns: the nodes' settings, storage, start, stop and kill. Does not: create topics.
Invariant: what was acknowledged is there after stop and start, whatever ports the nodes get.
Start it from a thread that stays: on Linux nodes die with the thread that started them.
"""

import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from daymark.local import ports, processes, tools
from daymark.local.children import Child
from daymark.local.faults import LocalFault
from daymark.local.kit import Kit
from daymark.local.properties import Node, server_properties

_LOGGING = Path(__file__).with_name("log4j2-node.properties")
_STARTED = b"Kafka Server started"  # said by the node when it has caught up with the metadata and answers clients
_START_S = 180.0  # seconds; 2 to 8 are usual, 90 have been seen on a machine that was busy
_STOP_S = 20.0  # seconds; a node without a majority of its peers would wait 5 minutes
_POLL_S = 0.02


class Kafka:
    """One cluster. Nodes are numbered from 1."""

    name = "kafka"

    def __init__(
        self,
        kit: Kit,
        folder: Path,
        *,
        nodes: int = 1,
        preferred_port: int | None = None,
        settings: Mapping[str, str] | None = None,
        logs: Path | None = None,
        java_options: Sequence[str] = ("-Xms64m", "-Xmx512m"),
        stop_s: float = _STOP_S,
    ) -> None:
        """Choose ports and write settings; nothing runs yet.

        Args:
            kit: Java and the jars.
            folder: Holds everything of the cluster; what an earlier one left there is taken up.
            nodes: How many; the same number each time.
            preferred_port: Of node 1, if free.
            settings: Broker settings, over ours.
            logs: The folder for files of warnings and worse, one a node; default: each node's own.
            java_options: Options of the nodes' Java.
            stop_s: A node that takes longer to stop is killed.
        """
        self._kit = kit
        self._folder = folder.absolute()
        self._java_options = tuple(java_options)
        self._stop_s = stop_s
        preferred = [preferred_port] + [None] * (nodes - 1)
        self._nodes = [
            Node(number, self._home(number), ports.choose(port), ports.choose())
            for number, port in enumerate(preferred, start=1)
        ]
        self._settings = dict(settings or {})
        self._logs = logs
        self._children: dict[int, Child] = {}

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers, `host:port`, comma-separated."""
        return ",".join(f"{ports.LOOPBACK}:{node.port}" for node in self._nodes)

    @property
    def dead_nodes(self) -> list[int]:
        """The nodes that were started and have ended by themselves or by a kill."""
        return [number for number, child in self._children.items() if not child.running]

    @property
    def dead(self) -> bool:
        """Whether a node that was started has ended."""
        return bool(self.dead_nodes)

    @property
    def ending(self) -> str:
        """How the first of the dead nodes ended."""
        return next((self._children[number].ending for number in self.dead_nodes), "never started")

    @property
    def log(self) -> Path:
        """The log of the first dead node, else of node 1."""
        return self._log(next(iter(self.dead_nodes), 1))

    def start(self) -> None:
        """Start every node that does not run and return when all are ready.

        Raises:
            LocalFault: A node ended, or is not ready in time.
        """
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start every node that does not run, ending what a killed owner left; don't wait for them."""
        asleep = [node for node in self._nodes if node.number not in self._children or node.number in self.dead_nodes]
        for node in asleep:
            node.home.mkdir(parents=True, exist_ok=True)
            processes.end_noted(node.home / "pid", _STOP_S)
            properties = server_properties(node, self._nodes, self._settings)
            (node.home / "server.properties").write_text("".join(f"{k}={v}\n" for k, v in properties.items()))
        self._format(asleep)
        for node in asleep:
            (node.home / "output").unlink(missing_ok=True)
            log = f"-Ddaymark.log={self._log(node.number)}"
            options = (*self._java_options, f"-Dlog4j2.configurationFile={_LOGGING}", log)
            command = self._kit.command("kafka.Kafka", node.home / "server.properties", options=options)
            self._children[node.number] = Child.start(command, node.home / "pid", node.home / "output")

    def wait_ready(self) -> None:
        """Return when every node that was started says that it is ready.

        Raises:
            LocalFault: A node ended, or is not ready in time.
        """
        deadline = time.monotonic() + _START_S
        for number, child in self._children.items():
            home = self._home(number)
            while _STARTED not in (home / "output").read_bytes():
                if not child.running:
                    raise LocalFault(
                        f"Kafka node {number} ended while starting: {_last_words(home / 'output', self._log(number))}"
                    )
                if time.monotonic() > deadline:
                    raise LocalFault(
                        f"Kafka node {number} is not ready after {_START_S:.0f} s: see {self._log(number)}"
                    )
                time.sleep(_POLL_S)

    def kill(self, number: int = 1) -> None:
        """Kill a node, as a crash would; `start` brings it back with its data."""
        self._children[number].kill()

    def stop(self) -> None:
        """Stop all nodes at once, and kill those that don't stop."""
        for child in self._children.values():
            child.ask_to_stop()
        for child in self._children.values():
            child.stop(self._stop_s)
        self._children.clear()

    def discard(self) -> None:
        """Kill all nodes: for a cluster whose data is not needed."""
        for child in self._children.values():
            child.kill()
        self._children.clear()

    def _log(self, number: int) -> Path:
        return (self._logs or self._home(number)).absolute() / f"kafka-{number}.log"

    def _home(self, number: int) -> Path:
        return self._folder / f"node-{number}"

    def _format(self, nodes: Sequence[Node]) -> None:
        """Format the storage of the nodes that have none, side by side."""
        running = []
        for node in nodes:
            if not (node.home / "data" / "meta.properties").exists():
                arguments = ("format", "--cluster-id", self._cluster_id(), "--config", node.home / "server.properties")
                command = tools.command(self._kit, "kafka-storage", *arguments, "--ignore-formatted")
                running.append(Child.start(command, node.home / "pid", node.home / "format.log"))
        for child in running:
            if child.wait(_START_S) != 0:
                raise LocalFault(f"Kafka's storage could not be formatted: see {child.pid_file.parent}/format.log")

    def _cluster_id(self) -> str:
        file = self._folder / "cluster-id"
        if not file.exists():
            # Kafka's identifiers are 16 bytes in URL-safe base64; a leading "-" would look like an option.
            number = secrets.token_bytes(16)
            file.write_text("A" + urlsafe_b64encode(number).decode().rstrip("=")[1:])
        return file.read_text()


def _last_words(*files: Path) -> str:
    lines = [line for file in files if file.exists() for line in file.read_text(errors="replace").splitlines()]
    return f"{lines[-1] if lines else 'it wrote nothing'} (see {files[-1]})"
