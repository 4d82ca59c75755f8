"""Day keys in Redis: one claim per contact-day, set once (contract, section 4). The only import of redis.

A key is "d", a cluster's hash tag of one of 64 buckets, and 16 bytes of keyed BLAKE2b: it holds no personal data. An
owner is a raw record's own coordinates, marked with its topic's incarnation: 12 bytes, so that key and owner fit the
64-byte allocation of an entry (85 bytes with the tables, measured; 14 bytes would make it 100).
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final, cast
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from processor.decide import ContactDay
from processor.errors import ClaimsAway, ClaimsFull, Fatal
from processor.records import Record

DAY_S: Final = 86_400

# One call for a whole batch. SET … NX GET answers nil where the key was free and is now ours.
_SCRIPT: Final = """\
local held = {}
for i = 1, #KEYS do
  held[i] = redis.call('SET', KEYS[i], ARGV[i + 1], 'NX', 'GET', 'EX', ARGV[1])
end
return held
"""
_SHA: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()

_TIMEOUT_S = 2.0
_TRIES, _PAUSE_S = 3, 0.1
_BUCKETS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
# Replies that no waiting mends.
_REFUSED = ("NOAUTH", "WRONGPASS", "NOPERM", "invalid username-password", "unknown command")


def owner(incarnation: bytes, record: Record) -> bytes:
    """Return a record's owner mark.

    Args:
        incarnation: 4 bytes that tell the topic from one of the same name made before or after it.
        record: its partition and offset are the rest of the mark, 2 and 6 bytes.
    """
    return incarnation + record.partition.to_bytes(2, "big") + record.offset.to_bytes(6, "big")


def day_key(secret: bytes, contact_day: ContactDay) -> bytes:
    """Return the key of a contact-day's claim; `secret` is at most 64 bytes."""
    name = f"{contact_day.workspace}\n{contact_day.email}\n{contact_day.day}".encode()
    digest = hashlib.blake2b(name, digest_size=16, key=secret).digest()
    return b"d{%c}%b" % (_BUCKETS[digest[0] & 63], digest)


class Claims:
    """The claims of all workers."""

    def __init__(self, url: str, secret: bytes | None, days: int, sleep: Callable[[float], None] = time.sleep) -> None:
        """Make a client; nothing is connected yet.

        Args:
            url: redis://, rediss://, unix:// or redis+cluster://.
            secret: of the keyed hash; None: a public one.
            days: lifetime of a claim.
            sleep: waits for some seconds.
        """
        self._secret = hashlib.sha256(secret or b"").digest()
        self._ttl_s = days * DAY_S
        self._sleep = sleep
        self._clustered = url.startswith("redis+cluster://")
        self._client = _client(url, clustered=self._clustered)

    def claim(self, contact_days: Sequence[ContactDay], owners: Sequence[bytes]) -> list[bytes | None]:
        """Claim contact-days, each for an owner; return who holds each, None where the claim has just succeeded.

        A call whose answer was lost may be made again: it tells our own owners.

        Raises:
            ClaimsAway: Redis cannot answer; some of the claims may have been made.
            ClaimsFull: it has no memory for them.
            Fatal: it refuses us.
        """
        keys = [day_key(self._secret, contact_day) for contact_day in contact_days]
        for rest in range(_TRIES - 1, -1, -1):
            try:
                return self._claim(keys, owners)
            except (redis.RedisError, OSError) as error:
                fault = _fault(error)
                if rest == 0 or not isinstance(fault, ClaimsAway) or isinstance(fault, ClaimsFull):
                    raise fault from error
                self._sleep(_PAUSE_S)
        raise AssertionError  # the last try returns or raises

    def policy(self) -> str | None:
        """Return the store's eviction policy where it says; only noeviction keeps claims. None: it does not say."""
        try:
            found = self._client.config_get("maxmemory-policy")
        except (redis.RedisError, OSError):
            return None
        return {_text(name): _text(text) for name, text in found.items()}.get("maxmemory-policy")

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _claim(self, keys: list[bytes], owners: Sequence[bytes]) -> list[bytes | None]:
        if not self._clustered:
            return self._call(keys, owners)
        buckets = defaultdict(list)
        for index, key in enumerate(keys):
            buckets[key[2]].append(index)
        held: list[bytes | None] = [None] * len(keys)
        for indexes in buckets.values():  # a cluster runs a script on the keys of one slot
            answers = self._call([keys[index] for index in indexes], [owners[index] for index in indexes])
            for index, answer in zip(indexes, answers, strict=True):
                held[index] = answer
        return held

    def _call(self, keys: Sequence[bytes], owners: Sequence[bytes]) -> list[bytes | None]:
        if not keys:
            return []
        arguments = (len(keys), *keys, self._ttl_s, *owners)
        try:
            answer = self._client.evalsha(_SHA, *arguments)
        except redis.exceptions.NoScriptError:  # a new server, or one that lost its scripts
            answer = self._client.eval(_SCRIPT, *arguments)
        return cast("list[bytes | None]", answer)


def _client(url: str, *, clustered: bool) -> Any:
    # Our own retry loop, not the driver's ten times five seconds.
    options: dict[str, Any] = {"socket_timeout": _TIMEOUT_S, "socket_connect_timeout": _TIMEOUT_S}
    if clustered:
        return _Deferred(lambda: RedisCluster.from_url(urlunsplit(urlsplit(url)._replace(scheme="redis")), **options))
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **options)


class _Deferred:
    """A client whose making connects: made at its first use, again until it succeeds."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = self._make()
        return getattr(self._made, name)

    def close(self) -> None:
        if self._made is not None:
            self._made.close()


def _fault(error: Exception) -> Exception:
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
