"""A store that fails over, loads, or is no store for claims: what a worker's client makes of it, on real servers."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from daymark.local import ports
from daymark.local.valkey import Valkey
from processor.claims import Claims, Lifetimes
from processor.decide import ContactDay
from processor.errors import ClaimsAway
from tests.faults.proxy import Proxy

Start = Callable[..., Valkey]
MINE = b"twelve bytes"
DAYS = [ContactDay("w", f"{n}@x.org", 18413) for n in range(50)]


def claims_of(url: str) -> Claims:
    return Claims(url, b"secret", Lifetimes(8, 8), sleep=lambda _: None)


def claim(claims: Claims) -> list[bytes | None]:
    return list(claims.claim(dict.fromkeys(DAYS, MINE), {}).holders)


def command(server: Valkey, *words: Any) -> Any:
    with redis.Redis.from_url(server.url, retry=Retry(NoBackoff(), 0)) as client:
        return client.execute_command(*words)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def follow(replica: Valkey, primary: Valkey) -> None:
    """Make a server the replica of another, and wait until it has its data."""
    command(replica, "REPLICAOF", ports.LOOPBACK, port_of(primary))
    wait_for(lambda: command(replica, "ROLE")[3] == b"connected")


def port_of(server: Valkey) -> int:
    return urlsplit(server.url).port or 0


def test_a_primary_that_was_demoted_is_left(valkey_server: Start) -> None:
    """It lives on as a replica and keeps its connections: READONLY is answered on a new connection, at the address."""
    old, new = valkey_server(), valkey_server()
    follow(new, old)
    with Proxy.running() as proxy:
        link = proxy.open(ports.LOOPBACK, port_of(old))
        claims = claims_of(f"redis://{ports.LOOPBACK}:{link.port}/0")
        assert claim(claims) == [None] * 50
        command(new, "REPLICAOF", "NO", "ONE")
        follow(old, new)
        link.upstream = (ports.LOOPBACK, port_of(new))
        assert claim(claims) == [MINE] * 50
        claims.close()


def test_a_coordinated_failover_is_met_within_one_claim(valkey_server: Start) -> None:
    """FAILOVER, as operators do it: the old primary refuses writes at once, the new one has every claim."""
    old, new = valkey_server(), valkey_server()
    follow(new, old)
    with Proxy.running() as proxy:
        link = proxy.open(ports.LOOPBACK, port_of(old))
        claims = claims_of(f"redis://{ports.LOOPBACK}:{link.port}/0")
        assert claim(claims) == [None] * 50
        command(old, "FAILOVER", "TO", ports.LOOPBACK, port_of(new))
        wait_for(lambda: command(new, "ROLE")[0] == b"master")
        link.upstream = (ports.LOOPBACK, port_of(new))
        assert claim(claims) == [MINE] * 50
        claims.close()


def test_a_replica_is_away_until_it_is_promoted(valkey_server: Start) -> None:
    """READONLY that lasts: the worker waits, is told what the address names, and goes on after the promotion."""
    primary, replica = valkey_server(), valkey_server()
    follow(replica, primary)
    claims = claims_of(replica.url)
    with pytest.raises(ClaimsAway, match="names a replica"):
        claim(claims)
    command(replica, "REPLICAOF", "NO", "ONE")
    assert claim(claims) == [None] * 50
    claims.close()


def test_a_replica_without_its_primary_is_away(valkey_server: Start) -> None:
    """MASTERDOWN, or READONLY from a script: away, until it is promoted."""
    primary, replica = valkey_server(), valkey_server(settings={"replica-serve-stale-data": "no"})
    follow(replica, primary)
    primary.kill()
    wait_for(lambda: command(replica, "ROLE")[3] != b"connected")
    claims = claims_of(replica.url)
    with pytest.raises(ClaimsAway):
        claim(claims)
    command(replica, "REPLICAOF", "NO", "ONE")
    assert claim(claims) == [None] * 50
    claims.close()


def test_a_server_that_loads_its_data_is_away(valkey_server: Start) -> None:
    """LOADING: away, until the data is there; then every claim is."""
    server = valkey_server(settings={"key-load-delay": "20000", "loading-process-events-interval-bytes": "1024"})
    claims = claims_of(server.url)
    assert claim(claims) == [None] * 50
    command(server, "MSET", *(word for n in range(400) for word in (n, os.urandom(1024))))
    command(server, "BGREWRITEAOF")  # an append-only file with a dump, whose keys are loaded one by one
    wait_for(lambda: command(server, "INFO", "persistence")["aof_rewrites"] and not _is_rewriting(server))
    server.kill()
    server.launch()
    wait_for(lambda: _is_loading(server))
    with pytest.raises(ClaimsAway, match="loading"):
        claim(claims)
    command(server, "CONFIG", "SET", "key-load-delay", 0)
    server.wait_ready()
    assert claim(claims) == [MINE] * 50
    claims.close()


def _is_rewriting(server: Valkey) -> bool:
    return bool(command(server, "INFO", "persistence")["aof_rewrite_in_progress"])


def _is_loading(server: Valkey) -> bool:
    with suppress(redis.ConnectionError):
        try:
            command(server, "PING")
        except redis.BusyLoadingError:
            return True
    return False


def cluster_node(valkey_server: Start, *, slots: bool = True) -> Valkey:
    """Start a cluster of one node, with all slots or with none."""
    node = valkey_server(settings={"cluster-enabled": "yes", "cluster-port": str(ports.choose())})
    if slots:
        serve_all_slots(node)
    return node


def serve_all_slots(node: Valkey) -> None:
    command(node, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    wait_for(lambda: b"cluster_state:ok" in command(node, "CLUSTER", "INFO"))


def clustered(url: str) -> str:
    return url.replace("redis://", "redis+cluster://").removesuffix("/0")


def test_a_cluster_that_is_not_there_is_away(valkey_server: Start) -> None:
    """Not there at the start, then there, then killed, then back: away and back each time."""
    node = cluster_node(valkey_server)
    claims = claims_of(clustered(node.url))
    node.kill()
    with pytest.raises(ClaimsAway):
        claim(claims)
    node.start()
    wait_for(lambda: b"cluster_state:ok" in command(node, "CLUSTER", "INFO"))
    assert claim(claims) == [None] * 50
    node.kill()
    with pytest.raises(ClaimsAway):
        claim(claims)
    node.start()
    wait_for(lambda: b"cluster_state:ok" in command(node, "CLUSTER", "INFO"))
    assert claim(claims) == [MINE] * 50
    claims.close()


def test_slots_without_an_owner_are_away(valkey_server: Start) -> None:
    """CLUSTERDOWN, or a map of slots with holes: away until somebody serves them."""
    node = cluster_node(valkey_server, slots=False)
    claims = claims_of(clustered(node.url))
    with pytest.raises(ClaimsAway):
        claim(claims)
    serve_all_slots(node)
    assert claim(claims) == [None] * 50
    command(node, "CLUSTER", "DELSLOTSRANGE", 0, 16383)
    with pytest.raises(ClaimsAway):
        claim(claims)
    serve_all_slots(node)
    assert claim(claims) == [MINE] * 50
    claims.close()


@contextmanager
def frozen(server: Valkey) -> Iterator[None]:
    """Stop a server without its knowledge, and let it go on afterwards."""
    pid = command(server, "INFO", "server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_frozen_cluster_is_away(valkey_server: Start) -> None:
    """Connections stand, nothing answers."""
    node = cluster_node(valkey_server)
    claims = claims_of(clustered(node.url))
    assert claim(claims) == [None] * 50
    with frozen(node), pytest.raises(ClaimsAway):
        claim(claims)
    assert claim(claims) == [MINE] * 50
    claims.close()
