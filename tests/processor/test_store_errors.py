"""What each error of the store's driver means: every class has a place, and what servers reply is understood."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest
import redis
from redis._parsers.base import BaseParser

from processor.errors import ClaimsAway, ClaimsFull, Fatal
from processor.store_errors import ERRORS, PLACED, fault

# Parts of the driver that a worker never loads.
UNUSED = ("redis.asyncio", "redis.auth", "redis.commands", "redis.event", "redis.http", "redis.multidb")


def exceptions() -> Iterator[type[Exception]]:
    """Every exception class that the driver's modules define."""
    for module in pkgutil.walk_packages(redis.__path__, "redis."):
        if not module.name.startswith(UNUSED):
            for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if issubclass(kind, Exception) and kind.__module__.startswith("redis."):
                    yield kind


def test_every_exception_of_the_driver_has_a_place() -> None:
    """A new version's new exception fails here until somebody has thought about it."""
    found = set(exceptions())
    assert len(found) > 30
    assert {kind for kind in found if kind not in PLACED} == set()


def test_every_exception_of_the_driver_is_caught() -> None:
    """A cluster's exceptions are no RedisError, and ended the worker with a traceback."""
    assert {kind for kind in exceptions() if not issubclass(kind, ERRORS)} == set()


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        ("LOADING Redis is loading the dataset in memory", ClaimsAway, "loading"),
        (
            "READONLY You can't write against a read only replica. script: 1f, on @user_script:12.",
            ClaimsAway,
            "primary",
        ),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", ClaimsAway, "primary"),
        ("CLUSTERDOWN Hash slot not served", ClaimsAway, "slot"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", ClaimsAway, "slot"),
        ("MISCONF Errors writing to the AOF file: No space left on device", ClaimsAway, "AOF"),
        ("NOREPLICAS Not enough good replicas to write.", ClaimsAway, "replicas"),
        ("BUSY Redis is busy running a script.", ClaimsAway, "busy"),
        ("ERR max number of clients reached", ClaimsAway, "clients"),
        ("ERR max number of clients + cluster connections reached", ClaimsAway, "clients"),
        ("upstream failure", ClaimsAway, "upstream"),
        ("OOM command not allowed when used memory > 'maxmemory'. script: 1f, on @user_script:9.", ClaimsFull, "used"),
        ("NOAUTH Authentication required.", Fatal, "password"),
        ("WRONGPASS invalid username-password pair or user is disabled.", Fatal, "password"),
        ("NOPERM this user has no permissions to run the 'evalsha' command", Fatal, "permissions"),
        ("ERR ACL failure in script: User w has no permissions to run the 'set' command", Fatal, "permissions"),
        ("ERR Error running script (call to f_1): @user_script:9: ERR syntax error", Fatal, "Redis 7"),
        ("ERR unknown command 'EVALSHA', with args beginning with: ", Fatal, "disabled"),
        ("NOPROTO unsupported protocol version", Fatal, "Redis 7"),
        ("ERR DB index is out of range", Fatal, "database"),
        ("ERR SELECT is not allowed in cluster mode", Fatal, r"redis\+cluster"),
        ("CROSSSLOT Keys in request don't hash to the same slot", Fatal, r"redis\+cluster"),
        ("MOVED 3999 127.0.0.1:6381", Fatal, r"redis\+cluster"),
        ("ASK 3999 127.0.0.1:6381", Fatal, r"redis\+cluster"),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", Fatal, "separate database"),
    ],
)
def test_a_reply(reply: str, kind: type[Exception], words: str) -> None:
    """What waiting mends pauses, what it does not ends with what to do."""
    with pytest.raises(kind, match=words) as found:
        raise fault(BaseParser.parse_error(reply))  # type: ignore[no-untyped-call]
    assert type(found.value) is kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Redis Cluster cannot be connected. Please provide at least one reachable node: Error 111", ClaimsAway),
        ("All slots are not covered after query all startup_nodes. 10923 of 16384 covered...", ClaimsAway),
        ("Cluster mode is not enabled on this node", Fatal),
        ("Redis Cluster cannot be connected. […] reachable node: Cluster mode is not enabled on this node", Fatal),
    ],
)
def test_a_message_of_the_cluster_client(message: str, kind: type[Exception]) -> None:
    """A whole cluster that is down is unavailable; a server that is no cluster is refused."""
    assert type(fault(redis.exceptions.RedisClusterException(message))) is kind


def test_a_certificate_that_cannot_be_verified() -> None:
    """No waiting mends it; what to look at is said."""
    text = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)"
    found = fault(redis.ConnectionError(f"Error 1 connecting to redis.example.com:6379. {text}"))
    assert isinstance(found, Fatal)
    assert "ssl_ca_certs" in str(found)
