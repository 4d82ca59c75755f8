"""The store's driver, Redis or Valkey: how a client is created, and how a call is retried.

Knows nothing of claims: their keys, owners and script are in `claims`. What an error means is in `store_errors`.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from processor.cluster import Cluster
from processor.errors import ClaimsAway, ClaimsFull, Fatal
from processor.store_errors import ERRORS, fault, refused_server

TIMEOUT_S: Final = 2.0  # of a connect, and of an answer
_TRIES, _PAUSE_S = 3, 0.1

_Answer = TypeVar("_Answer")


def is_clustered(url: str) -> bool:
    """Return whether a URL names a cluster."""
    return urlsplit(url).scheme.endswith("+cluster")


def client(url: str) -> Any:
    """Make the driver's client; nothing is connected yet.

    Args:
        url: redis://, rediss://, unix://, redis+cluster:// or rediss+cluster://, as the settings give it: everything
            encoded that has to be; a cluster's may name several hosts.
    """
    if is_clustered(url):
        parts = urlsplit(url)
        return Cluster(urlunsplit(parts._replace(scheme=parts.scheme.removesuffix("+cluster"))), TIMEOUT_S)
    # Our own retry loop, not the driver's ten times five seconds. RESP2, which every proxy speaks.
    options: dict[str, Any] = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S, "protocol": 2}
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)


def attempt(
    ask: Callable[[], _Answer], sleep: Callable[[float], None], renew: Callable[[], None] = lambda: None
) -> _Answer:
    """Call the store, with a few retries while it is unavailable.

    Args:
        ask: makes the calls; may be called again after an answer was lost.
        sleep: waits for some seconds.
        renew: drops the connections. Called whenever the store could not answer: a demoted primary continues as a
            replica, keeps its connections and refuses every write on them (READONLY); only a new connection reaches
            the server that has taken over its address, name or proxy.

    Raises:
        ClaimsAway: it cannot answer; the call may have been executed.
        ClaimsFull: it is out of memory.
        Fatal: it refuses the call.
    """
    for rest in range(_TRIES - 1, -1, -1):
        try:
            return ask()
        except ERRORS as error:
            found = fault(error)
            if not isinstance(found, ClaimsAway) or isinstance(found, ClaimsFull):
                raise found from error
            renew()
            if rest == 0:
                raise found from error
            sleep(_PAUSE_S)
    raise AssertionError  # the last try returns or raises


def renew(client: Any) -> None:
    """Drop a client's connections: the next call makes a new one."""
    if isinstance(client, redis.Redis):
        client.connection_pool.disconnect()


class Script:
    """A script that the store runs, sent by its digest."""

    def __init__(self, text: str) -> None:
        """Take its text."""
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: Any, words: Sequence[Any]) -> Any:
        """Run it on one server, and return its answer.

        Args:
            client: of the driver.
            words: the number of keys, the keys, the arguments.
        """
        try:
            return client.evalsha(self.sha, *words)
        except redis.exceptions.NoScriptError:  # a new server, or one that lost its scripts
            return client.eval(self.text, *words)


def check(client: Any) -> None:
    """See that a single server is one, and new enough.

    Raises:
        Fatal: it is a node of a cluster, a Sentinel, or a Redis before 7.
        RedisError, OSError: it does not answer.
    """
    try:
        said = client.execute_command("HELLO")
    except redis.ResponseError:
        return  # a proxy, or a Redis before 6: the first script shows what it can do
    pairs = said.items() if isinstance(said, dict) else zip(said[::2], said[1::2], strict=False)
    words = {_text(name): _text(word) for name, word in pairs if isinstance(word, bytes | str)}
    refusal = refused_server(words.get("server", ""), words.get("version", ""), words.get("mode", ""))
    if refusal:
        raise Fatal(refusal)


def policy(client: Any) -> str | None:
    """Return the store's eviction policy where it says; only noeviction keeps claims. None: it does not say."""
    try:
        found = client.config_get("maxmemory-policy")
    except ERRORS:
        return None
    return {_text(name): _text(text) for name, text in found.items()}.get("maxmemory-policy")


_FACTS: Final = {
    "version": ("valkey_version", "redis_version"),
    **{name: (name,) for name in ("role", "aof_enabled", "used_memory", "maxmemory", "server_time_usec")},
}


def facts(url: str) -> dict[str, str]:
    """Return what a single server says of itself; nothing where it is a cluster, or may not be asked.

    Args:
        url: as for `client`.
    """
    if is_clustered(url):
        return {}
    asked = client(url)
    try:
        said = asked.info()
    except ERRORS:
        return {}
    finally:
        asked.close()
    found = {name: next((str(said[each]) for each in names if each in said), "") for name, names in _FACTS.items()}
    return {**found, "server": "Valkey" if "valkey_version" in said else "Redis"}


def answers(client: Any, key: bytes) -> bool:
    """Return whether the store answers now; the query needs only minimal permissions: a key, or the slots."""
    try:
        client.check() if isinstance(client, Cluster) else client.get(key)
    except ERRORS:
        return False
    return True


def size(client: Any) -> int | None:
    """Return how many keys the store has; None: it does not say."""
    try:
        return int(client.dbsize())
    except ERRORS:
        return None


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
