"""Connections to the nodes of a Redis Cluster: one each, used concurrently.

Owns: connecting, sending, reading, and dropping a connection whose replies may be out of step. Does not know of slots.
Invariant: a connection that is kept has no reply outstanding.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import hiredis
import redis

from processor.slots import Node
from processor.store_errors import ERRORS

Command = tuple[Any, ...]
Replies = list[Any]  # an error reply is an exception among them
_LEAST_S: Final = 0.001  # what a node is given whose replies are there already


class Links:
    """One connection a node, made when it is first needed."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Take the address; nothing is connected yet.

        Args:
            url: redis:// or rediss://, whose user, password and options hold for every node.
            timeout_s: of a connect, and of all replies of an exchange.
        """
        options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, "protocol": 2}
        pool = redis.ConnectionPool.from_url(url, **options)
        self._class, self._options, self._timeout_s = pool.connection_class, pool.connection_kwargs, timeout_s
        self._open: dict[Node, Any] = {}

    @property
    def open(self) -> Collection[Node]:
        """The nodes that are connected."""
        return self._open.keys()

    def exchange(
        self, asked: Mapping[Node, Sequence[Command]], within_s: float | None = None
    ) -> dict[Node, Replies | Exception]:
        """Send each node its commands in one write, then read all replies.

        Args:
            asked: the commands of each node.
            within_s: what the replies may take; by default the time-out.

        Returns:
            for each node its replies, or the fault that kept it from replying: what it was sent may have been done.
        """
        found: dict[Node, Replies | Exception] = {}
        try:
            found.update(self._connect([node for node in asked if node not in self._open]))
            for node in asked.keys() - found.keys():
                fault = self._send(node, asked[node])
                if fault is not None:
                    found[node] = fault
            until = time.monotonic() + (within_s or self._timeout_s)
            for node in asked.keys() - found.keys():
                found[node] = self._read(node, len(asked[node]), until)
        except BaseException:  # an interrupt: any connection may have replies outstanding
            self.close()
            raise
        return found

    def close(self) -> None:
        """Close all connections."""
        for node in list(self._open):
            self._drop(node)

    def _connect(self, nodes: Sequence[Node]) -> dict[Node, Exception]:
        """Connect to nodes at once, so that several silent ones take no longer than one; return the faults met."""
        made = {node: self._made(node) for node in nodes}
        if len(nodes) < 2:  # noqa: PLR2004  one needs no threads
            faults = [_fault_of(connection.connect) for connection in made.values()]
        else:
            with ThreadPoolExecutor(len(nodes)) as pool:
                faults = list(pool.map(lambda connection: _fault_of(connection.connect), made.values()))
        found = {node: fault for node, fault in zip(nodes, faults, strict=True) if fault is not None}
        self._open.update((node, connection) for node, connection in made.items() if node not in found)
        return found

    def _made(self, node: Node) -> Any:
        return self._class(**{**self._options, "host": node.host, "port": node.port})

    def _send(self, node: Node, commands: Sequence[Command]) -> Exception | None:
        connection = self._open[node]
        packed = b"".join(hiredis.pack_command(command) for command in commands)
        fault = _fault_of(lambda: connection.send_packed_command([packed]))
        if fault is not None:
            self._drop(node)
        return fault

    def _read(self, node: Node, count: int, until: float) -> Replies | Exception:
        connection, replies = self._open[node], []
        for _ in range(count):
            try:
                replies.append(connection.read_response(timeout=max(until - time.monotonic(), _LEAST_S)))
            except redis.ResponseError as reply:
                replies.append(reply)
            except ERRORS as fault:
                self._drop(node)
                return fault
        return replies

    def _drop(self, node: Node) -> None:
        self._open.pop(node).disconnect()


def _fault_of(act: Callable[[], object]) -> Exception | None:
    try:
        act()
    except ERRORS as fault:
        return fault
    return None
