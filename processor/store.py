"""The store's driver, Redis or Valkey: connecting, what each of its errors means, and how often a call is made.

The only import of redis. Knows nothing of claims: their keys, owners and script are in `claims`.
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

TIMEOUT_S: Final = 2.0  # of a connect, and of an answer
_TRIES, _PAUSE_S = 3, 0.1
# What a call of the driver may raise.
ERRORS: Final = (redis.RedisError, OSError)
# Replies that no waiting mends.
_REFUSED = ("NOAUTH", "WRONGPASS", "NOPERM", "invalid username-password", "unknown command")

_Answer = TypeVar("_Answer")


def is_clustered(url: str) -> bool:
    """Return whether a URL names a cluster."""
    return url.startswith("redis+cluster://")


def client(url: str) -> Any:
    """Make the driver's client; nothing is connected yet.

    Args:
        url: redis://, rediss://, unix:// or redis+cluster://.
    """
    # Our own retry loop, not the driver's ten times five seconds.
    options: dict[str, Any] = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
    if is_clustered(url):
        return Cluster(urlunsplit(urlsplit(url)._replace(scheme="redis")), TIMEOUT_S)
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)


def attempt(ask: Callable[[], _Answer], sleep: Callable[[float], None]) -> _Answer:
    """Ask the store, a few times while it cannot answer.

    Args:
        ask: makes the calls; may be called again after an answer was lost.
        sleep: waits for some seconds.

    Raises:
        ClaimsAway: it cannot answer; what was asked may have been done.
        ClaimsFull: it has no memory for it.
        Fatal: it refuses us.
    """
    for rest in range(_TRIES - 1, -1, -1):
        try:
            return ask()
        except ERRORS as error:
            found = fault(error)
            if rest == 0 or not isinstance(found, ClaimsAway) or isinstance(found, ClaimsFull):
                raise found from error
            sleep(_PAUSE_S)
    raise AssertionError  # the last try returns or raises


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


def policy(client: Any) -> str | None:
    """Return the store's eviction policy where it says; only noeviction keeps claims. None: it does not say."""
    try:
        found = client.config_get("maxmemory-policy")
    except ERRORS:
        return None
    return {_text(name): _text(text) for name, text in found.items()}.get("maxmemory-policy")


def fault(error: Exception) -> ClaimsAway | Fatal:
    """Return what an error of the driver means for a worker."""
    text = str(error)
    if isinstance(error, redis.exceptions.OutOfMemoryError) or text.startswith("OOM"):
        return ClaimsFull(text)
    if isinstance(error, redis.exceptions.AuthenticationError | redis.exceptions.NoPermissionError) or any(
        word in text for word in _REFUSED
    ):
        return Fatal(f"Redis refuses us: {text}; DAYMARK_REDIS and its user's rights want a look")
    return ClaimsAway(text)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
