"""Day keys and trait clocks in Redis (contract, sections 4 and 5). The only import of redis.

A day key is set once, by the record that owns its contact-day. A clock holds the newest timestamp of a property and the
record that set it, and only moves forward. Both are asked in one call a batch.

A key is "d" or "t", a cluster's hash tag of one of 64 buckets, and 16 bytes of keyed BLAKE2b: no personal data. An
owner is a raw record's own coordinates, marked with its topic's incarnation: 12 bytes, so that key and owner fit the
64-byte allocation of an entry (84 to 103 bytes with the tables, measured; 14 bytes of owner would add 15).
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry

from processor.decide import ContactDay
from processor.errors import ClaimsAway, ClaimsFull, Fatal
from processor.ports import Claimed
from processor.records import Record
from processor.traits import Clock, Property

DAY_S: Final = 86_400

# One call for a whole batch: the keys of days, then those of clocks. A day key's SET … NX GET answers nil where the key
# was free and is now ours; a clock's answer is what it was before. Clocks have the rule of `traits.Clock.is_stale`: 8
# bytes of timestamp, 4 of incarnation, 2 of partition, 6 of offset. Numbers, since Lua compares text by its locale.
_SCRIPT: Final = """\
local function is_stale(now, before)
  local a_ms, a_topic, a_place, a_low = struct.unpack('>lI4I4I4', now)
  local b_ms, b_topic, b_place, b_low = struct.unpack('>lI4I4I4', before)
  if a_ms ~= b_ms then return a_ms < b_ms end
  if a_topic ~= b_topic then return false end
  return a_place < b_place or (a_place == b_place and a_low < b_low)
end
local answers, days = {}, tonumber(ARGV[3])
for i = 1, days do
  answers[i] = redis.call('SET', KEYS[i], ARGV[i + 3], 'NX', 'GET', 'EX', ARGV[1])
end
for i = days + 1, #KEYS do
  local before, now = redis.call('GET', KEYS[i]), ARGV[i + 3]
  if not before or not is_stale(now, before) then redis.call('SET', KEYS[i], now, 'EX', ARGV[2]) end
  answers[i] = before
end
return answers
"""
_SHA: Final = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()

_TIMEOUT_S = 2.0
_TRIES, _PAUSE_S = 3, 0.1
_BUCKETS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
# What a key begins with, by the first byte of its digest.
_DAY_TAGS, _CLOCK_TAGS = ([b"%b{%c}" % (kind, bucket) for bucket in _BUCKETS * 4] for kind in (b"d", b"t"))
_Pair = tuple[bytes, bytes]  # a key and what it is to hold
# Replies that no waiting mends.
_REFUSED = ("NOAUTH", "WRONGPASS", "NOPERM", "invalid username-password", "unknown command")


def owner(incarnation: bytes, record: Record) -> bytes:
    """Return a record's owner mark.

    Args:
        incarnation: 4 bytes that tell the topic from one of the same name made before or after it.
        record: its partition and offset are the rest of the mark, 2 and 6 bytes.
    """
    return incarnation + (record.partition << 48 | record.offset).to_bytes(8, "big")


def day_key(secret: bytes, contact_day: ContactDay) -> bytes:
    """Return the key of a contact-day's claim; `secret` is at most 64 bytes."""
    return _key(_DAY_TAGS, secret, f"{contact_day.workspace}\n{contact_day.email}\n{contact_day.day}".encode())


def clock_key(secret: bytes, of: Property) -> bytes:
    """Return the key of a property's clock; `secret` is at most 64 bytes."""
    return _key(_CLOCK_TAGS, secret, of.key())


class Lifetimes(NamedTuple):
    """How long claims and clocks are kept, in days."""

    claim_days: int
    clock_days: int


class Claims:
    """The claims and clocks of all workers."""

    def __init__(
        self, url: str, secret: bytes | None, lifetimes: Lifetimes, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Make a client; nothing is connected yet.

        Args:
            url: redis://, rediss://, unix:// or redis+cluster://.
            secret: of the keyed hash; None: a public one.
            lifetimes: of claims and clocks.
            sleep: waits for some seconds.
        """
        self._secret = hashlib.sha256(secret or b"").digest()
        self._lifetimes_s = (lifetimes.claim_days * DAY_S, lifetimes.clock_days * DAY_S)
        self._sleep = sleep
        self._clustered = url.startswith("redis+cluster://")
        self._client = _client(url, clustered=self._clustered)

    def claim(self, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        """Claim contact-days, each for an owner, and set clocks forward, each to a time or not at all.

        A call whose answer was lost may be made again: it tells our own owners and clocks.

        Raises:
            ClaimsAway: Redis cannot answer; some of the claims may have been made.
            ClaimsFull: it has no memory for them.
            Fatal: it refuses us.
        """
        days = [(day_key(self._secret, contact_day), owner) for contact_day, owner in owners.items()]
        times = [(clock_key(self._secret, of), clock.packed()) for of, clock in clocks.items()]
        for rest in range(_TRIES - 1, -1, -1):
            try:
                answers = self._ask(days, times)
            except (redis.RedisError, OSError) as error:
                fault = _fault(error)
                if rest == 0 or not isinstance(fault, ClaimsAway) or isinstance(fault, ClaimsFull):
                    raise fault from error
                self._sleep(_PAUSE_S)
            else:
                before = [None if packed is None else Clock.unpacked(packed) for packed in answers[len(days) :]]
                return Claimed(answers[: len(days)], before)
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

    def _ask(self, days: list[_Pair], times: list[_Pair]) -> list[bytes | None]:
        if not self._clustered:
            return self._call(days, times)
        buckets: dict[int, list[int]] = defaultdict(list)
        pairs = days + times
        for index, (key, _) in enumerate(pairs):
            buckets[key[2]].append(index)
        answers: list[bytes | None] = [None] * len(pairs)
        for indexes in buckets.values():  # a cluster runs a script on the keys of one slot
            found = self._call(
                [pairs[index] for index in indexes if index < len(days)],
                [pairs[index] for index in indexes if index >= len(days)],
            )
            for index, answer in zip(indexes, found, strict=True):
                answers[index] = answer
        return answers

    def _call(self, days: list[_Pair], times: list[_Pair]) -> list[bytes | None]:
        pairs = days + times
        if not pairs:
            return []
        keys, values = zip(*pairs, strict=True)
        arguments = (len(keys), *keys, *self._lifetimes_s, len(days), *values)
        try:
            answer = self._client.evalsha(_SHA, *arguments)
        except redis.exceptions.NoScriptError:  # a new server, or one that lost its scripts
            answer = self._client.eval(_SCRIPT, *arguments)
        return cast("list[bytes | None]", answer)


def _key(tags: list[bytes], secret: bytes, name: bytes) -> bytes:
    digest = hashlib.blake2b(name, digest_size=16, key=secret).digest()
    return tags[digest[0]] + digest


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
