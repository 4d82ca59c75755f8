"""What both drivers do below their calls: find the node, connect, retry, and say in a log what broke."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from tests.world.cluster import Cluster, Node, Role
from tests.world.kernel import Event, Process
from tests.world.network import Broken, Link
from tests.world.requests import Refused

MOVED: Final = {
    "NOT_COORDINATOR",
    "NOT_LEADER_FOR_PARTITION",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_ENOUGH_REPLICAS",
    "KAFKA_STORAGE_ERROR",
}
RECONNECT_S: Final = 0.05
INFO: Final = 20  # of Python's logging


class Closed(Exception):
    """The client was closed meanwhile."""


class Client:
    """One driver's connections."""

    def __init__(self, process: Process, cluster: Cluster, role: str, socket_s: float, backoff_s: float) -> None:
        self.process, self.kernel = process, cluster.kernel
        self.closed = False
        self.logged: list[tuple[str, str]] = []  # facility and line, until the application polls
        self._cluster, self._name = cluster, role
        self._socket_s, self._backoff_s = socket_s, backoff_s
        self._links: dict[Node, Link] = {}
        self.known: dict[Role, Node] = {}

    def ask(self, request: Any, *, until: Callable[[], bool] = lambda: False, timeout_s: float | None = None) -> Any:
        """Ask whoever is to answer, as often as it takes.

        Args:
            request: to be sent.
            until: whether to give up.
            timeout_s: of one try; None: the socket's.

        Raises:
            Refused: for good.
            Closed: given up.
        """
        role = self._cluster.role(request)
        while True:
            if self.closed or until():
                raise Closed
            if role not in self.known:
                self.known[role] = self._cluster.told(role)
            node = self.known[role]
            try:
                return self._link(node).call(request, timeout_s or self._socket_s)
            except Broken as error:
                facility = "REQTMOUT" if "timed out" in str(error) else "FAIL"
                self.logged.append((facility, f"{node.name}: {error}"))
                self.known.pop(role, None)
                self.kernel.sleep(RECONNECT_S)
            except Refused as refused:
                if refused.code not in MOVED and refused.code != "CONCURRENT_TRANSACTIONS":
                    raise
                if refused.code in MOVED:
                    self.known.pop(role, None)
                self.kernel.sleep(self._backoff_s)

    def number(self) -> int:
        """Return a number that nobody else has."""
        return self._cluster.network.number()

    def spawn(self, body: Callable[[], object]) -> None:
        """Start a thread of the driver, which ends when the client is closed."""

        def run() -> None:
            with suppress(Closed):
                body()

        self.kernel.spawn(self.process, run)

    def close(self) -> None:
        """Break all connections; what was sent may arrive all the same."""
        self.closed = True
        for link in self._links.values():
            link.close()

    def _link(self, node: Node) -> Link:
        link = self._links.get(node)
        if link is None or not link.open:
            link = self._links[node] = self._cluster.network.connect(self.process, self._name, node)
        return link


def failed(code: str, *, fatal: bool = False, retriable: bool = False, abort: bool = False) -> KafkaException:
    """Return the exception that the driver raises for an error, by its name."""
    number = getattr(KafkaError, code)
    return KafkaException(KafkaError(number, code, fatal, retriable, abort))


class Operation:
    """A call of the driver that goes on in the background when its caller's time is up, and is resumed by the next."""

    def __init__(self, client: Client, body: Callable[[], Any]) -> None:
        self._client, self._done, self.result = client, Event(), None
        self.error: KafkaException | None = None

        def run() -> None:
            try:
                self.result = body()
            except KafkaException as error:
                self.error = error
            client.kernel.set(self._done)

        client.spawn(run)

    def wait(self, timeout_s: float | None) -> bool:
        """Return whether it is done, within some seconds; None: however long it takes."""
        return self._client.kernel.wait(self._done, timeout_s)
