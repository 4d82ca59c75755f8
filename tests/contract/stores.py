"""Real servers as tests of the store want them: replicas, nodes of a cluster, and what they say."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from daymark.local import ports
from daymark.local.valkey import Valkey

Start = Callable[..., Valkey]


def command(server: Valkey, *words: Any) -> Any:
    """Give a server a command, once."""
    with redis.Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as client:
        return client.execute_command(*words)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def port_of(server: Valkey) -> int:
    return urlsplit(server.url).port or 0


def follow(replica: Valkey, primary: Valkey) -> None:
    """Make a server the replica of another, and wait until it has its data."""
    command(replica, "REPLICAOF", ports.LOOPBACK, port_of(primary))
    wait_for(lambda: command(replica, "ROLE")[3] == b"connected")


def make_cluster(valkey_server: Start, *, slots: bool = True) -> Valkey:
    """Start a cluster of one node, with all slots or with none."""
    node = valkey_server(settings={"cluster-enabled": "yes", "cluster-port": str(ports.choose())})
    if slots:
        serve_all_slots(node)
    return node


def serve_all_slots(node: Valkey) -> None:
    command(node, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    wait_for(lambda: b"cluster_state:ok" in command(node, "CLUSTER", "INFO"))


@contextmanager
def stand_in(replies: Mapping[bytes, bytes]) -> Iterator[str]:
    """Run what answers commands by their first word, anything else with OK, as a server would that is not at hand."""
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        threading.Thread(target=_accept, args=[server, replies], daemon=True).start()
        yield f"redis://{ports.LOOPBACK}:{server.getsockname()[1]}/0"


def _accept(server: socket.socket, replies: Mapping[bytes, bytes]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_reply, args=[connection, replies], daemon=True).start()


def _reply(connection: socket.socket, replies: Mapping[bytes, bytes]) -> None:
    with connection, connection.makefile("rb") as stream, suppress(OSError):
        while count := stream.readline():
            words = [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(count[1:]))]
            connection.sendall(replies.get(words[0].upper(), b"+OK\r\n"))


def clustered(url: str) -> str:
    """Return the URL of a node as its cluster's."""
    return url.replace("redis://", "redis+cluster://").removesuffix("/0")
