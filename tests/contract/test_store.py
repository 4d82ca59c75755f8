"""A store that fails over, loads, or is no store for claims: what a worker's client makes of it, on real servers."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
import redis

from daymark.local import ports
from daymark.local.valkey import Valkey
from processor.claims import Claims, Lifetimes
from processor.decide import ContactDay
from processor.errors import ClaimsAway, Fatal
from tests.contract.stores import (
    Start,
    clustered,
    command,
    follow,
    make_cluster,
    port_of,
    serve_all_slots,
    stand_in,
    wait_for,
)
from tests.faults.proxy import Proxy

LEAST_RIGHTS = "resetkeys ~d{* ~t{* -@all +set +get +evalsha +eval +config|get"
MINE = b"twelve bytes"
DAYS = [ContactDay("w", f"{n}@x.org", 18413) for n in range(50)]


def claims_of(url: str) -> Claims:
    return Claims(url, b"secret", Lifetimes(8, 8), sleep=lambda _: None)


def claim(claims: Claims) -> list[bytes | None]:
    return list(claims.claim(dict.fromkeys(DAYS, MINE), {}).holders)


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


def test_a_cluster_that_is_not_there_is_away(valkey_server: Start) -> None:
    """Not there at the start, then there, then killed, then back: away and back each time."""
    node = make_cluster(valkey_server)
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
    node = make_cluster(valkey_server, slots=False)
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
    node = make_cluster(valkey_server)
    claims = claims_of(clustered(node.url))
    assert claim(claims) == [None] * 50
    with frozen(node), pytest.raises(ClaimsAway):
        claim(claims)
    assert claim(claims) == [MINE] * 50
    claims.close()


def hello(**said: str) -> bytes:
    """Return a reply to HELLO."""
    words = [word for pair in said.items() for word in pair]
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)


def refused(url: str, words: str) -> None:
    """See that a store is refused before any claim, and that the refusal says what is wanted."""
    claims = claims_of(url)
    with pytest.raises(Fatal, match=words):
        claims.meet()
    claims.close()


SYNTAX_ERROR = b"-ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -ERR syntax error\r\n"


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ({b"HELLO": hello(server="redis", version="6.2.14", mode="standalone")}, "Redis 7 .* names a Redis 6.2.14"),
        ({b"HELLO": b"-ERR unknown command\r\n", b"EVALSHA": SYNTAX_ERROR}, "Redis 7"),
        ({b"HELLO": b"-ERR unknown command\r\n", b"EVALSHA": b"-ERR unknown command\r\n"}, "disabled"),
        ({b"HELLO": hello(server="redis", version="7.2.4", mode="sentinel")}, "Sentinel"),
        ({b"HELLO": hello(server="redis", version="8.0.0", mode="cluster")}, r"redis\+cluster"),
    ],
)
def test_a_server_that_keeps_no_claims(replies: dict[bytes, bytes], words: str) -> None:
    """A Redis before 7, one without scripts, a Sentinel, a node of a cluster: refused at start, each by its name."""
    with stand_in(replies) as url:
        refused(url, words)


def test_a_proxy_without_hello() -> None:
    """Is taken at its word: the first script shows what is behind it."""
    with stand_in({b"HELLO": b"-ERR unknown command\r\n", b"EVALSHA": b"*2\r\n$-1\r\n$-1\r\n"}) as url:
        claims = claims_of(url)
        claims.meet()
        claims.close()


def test_a_plain_url_to_a_node_of_a_cluster(valkey_server: Start) -> None:
    """It would work until a batch has two contacts."""
    node = make_cluster(valkey_server)
    refused(node.url, r"redis\+cluster")


def test_a_cluster_url_to_a_plain_server(valkey_server: Start) -> None:
    """Is refused with the scheme that is wanted."""
    refused(clustered(valkey_server().url), "not a cluster: begin the URL with redis://")


def test_a_database_that_does_not_exist(valkey_server: Start) -> None:
    """SELECT is refused at every connect."""
    refused(valkey_server().url.removesuffix("0") + "99", "database that the server does not have")


@pytest.mark.parametrize("lacking", ["-set", "-get", "-eval -evalsha", "resetkeys ~d{*", "resetkeys ~t{*"])
def test_a_right_that_lacks(valkey_server: Start, lacking: str) -> None:
    """Each is missed at start, not by the first batch that happens to need it."""
    server = valkey_server()
    command(server, "ACL", "SETUSER", "w", "on", ">pw", *LEAST_RIGHTS.split(), *lacking.split())
    refused(server.url.replace("redis://", "redis://w:pw@"), "docs/store.md")


def test_a_right_that_is_taken_mid_run(valkey_server: Start) -> None:
    """Ends the worker at its next claim, with what to grant."""
    server = valkey_server()
    command(server, "ACL", "SETUSER", "w", "on", ">pw", *LEAST_RIGHTS.split())
    claims = claims_of(server.url.replace("redis://", "redis://w:pw@"))
    assert claim(claims) == [None] * 50
    command(server, "ACL", "SETUSER", "w", "-set")
    with pytest.raises(Fatal, match=r"docs/store\.md"):
        claim(claims)
    command(server, "ACL", "SETUSER", "w", "+set", "resetpass", ">other")
    command(server, "CLIENT", "KILL", "USER", "w")
    with pytest.raises(Fatal, match="the user and the password in DAYMARK_REDIS"):
        claim(claims)
    claims.close()
