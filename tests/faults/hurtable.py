"""What a run can hurt of the parts that it stands on, wherever they run: `embedded`, `contained`."""

from collections.abc import Callable, Mapping
from typing import Protocol

Ports = Mapping[tuple[int, str], tuple[int, int]]
"""For each node and listener the port it listens on and the one that it tells its clients."""


class Cluster(Protocol):
    """Kafka nodes, numbered from 1, that can be hurt."""

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers, `host:port`, comma-separated."""

    def announce(self, ports_of: Ports) -> None:
        """Take, for each node and listener, the port it listens on and the one that it tells its clients."""

    def start(self) -> None:
        """Start all and return when they are ready."""

    def launch(self) -> None:
        """Start every node that was killed; don't wait for them."""

    def wait_ready(self) -> None:
        """Return when all are ready."""

    def kill(self, number: int) -> None:
        """Kill a node, as a crash would."""

    def discard(self) -> None:
        """Kill all nodes, and forget their data."""


class Upgradable(Protocol):
    """A Kafka of an earlier version, with what takes its place."""

    def upgrade(self, number: int) -> Callable[[], None]:
        """Tell a node to stop; what is returned starts it again, with its data, as the later version."""

    def raise_level(self) -> Callable[[], None]:
        """Begin to raise the cluster to the features of the later version; what is returned waits for that."""


class Store(Protocol):
    """A Valkey that can be hurt."""

    @property
    def url(self) -> str:
        """The server's URL, as redis clients take it."""

    def start(self) -> None:
        """Start it and return when it answers."""

    def launch(self) -> None:
        """Start it if it does not run; don't wait for it."""

    def wait_ready(self) -> None:
        """Return when it answers."""

    def kill(self) -> None:
        """Kill it, as a crash would."""

    def wipe(self) -> None:
        """Remove the data of one that was killed: the next start is empty."""

    def freeze(self) -> None:
        """Stop it without its knowledge."""

    def thaw(self) -> None:
        """Let it go on."""
