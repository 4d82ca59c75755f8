"""Day keys and trait clocks in Redis (contract, sections 4 and 5): their keys, owners and script.

A day key is set once, by the record that owns its contact-day. A clock holds the newest timestamp of a property and the
record that set it, and only moves forward. Both are asked in one call a batch.

A key is "d" or "t", a cluster's hash tag of one of 64 buckets, and 16 bytes of keyed BLAKE2b: no personal data. An
owner is a raw record's own coordinates, marked with its topic's incarnation: 12 bytes, so that key and owner fit the
64-byte allocation of an entry (84 to 103 bytes with the tables, measured; 14 bytes of owner would add 15).
"""

import hashlib
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from processor import store
from processor.cluster import Question
from processor.decide import ContactDay
from processor.ports import Claimed
from processor.records import Record
from processor.slots import slot
from processor.traits import Clock, Property

DAY_S: Final = 86_400

# One call for a whole batch: the keys of days, then those of clocks. A day key's SET … NX GET answers nil where the key
# was free and is now ours; a clock's answer is what it was before. Clocks have the rule of `traits.Clock.is_stale`: 8
# bytes of timestamp, 4 of incarnation, 2 of partition, 6 of offset. Numbers, since Lua compares text by its locale.
_SCRIPT: Final = store.Script("""\
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
""")

_BUCKETS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
# What a key begins with, by the first byte of its digest.
_DAY_TAGS, _CLOCK_TAGS = ([b"%b{%c}" % (kind, tag) for tag in _BUCKETS * 4] for kind in (b"d", b"t"))
_SLOT_OF_TAG = [slot(tag) for tag in range(256)]
_Pair = tuple[bytes, bytes]  # a key and what it is to hold


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
            url: of the store; see `store.client`.
            secret: of the keyed hash; None: a public one.
            lifetimes: of claims and clocks.
            sleep: waits for some seconds.
        """
        self._secret = hashlib.sha256(secret or b"").digest()
        self._lifetimes_s = (lifetimes.claim_days * DAY_S, lifetimes.clock_days * DAY_S)
        self._sleep = sleep
        self._clustered = store.is_clustered(url)
        self._client = store.client(url)

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
        answers = self._ask(days, times)
        before = [None if packed is None else Clock.unpacked(packed) for packed in answers[len(days) :]]
        return Claimed(answers[: len(days)], before)

    def policy(self) -> str | None:
        """Return the store's eviction policy where it says; only noeviction keeps claims. None: it does not say."""
        return store.policy(self._client)

    def answers(self) -> bool:
        """Return whether the store answers now. May be called by another thread."""
        return store.answers(self._client, day_key(self._secret, ContactDay("", "", 0)))

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _ask(self, days: list[_Pair], times: list[_Pair]) -> list[bytes | None]:
        pairs = days + times

        def words(indexes: Sequence[int]) -> tuple[Any, ...]:
            keys, values = zip(*(pairs[index] for index in indexes), strict=True)
            of_days = bisect_left(indexes, len(days))
            return (len(keys), *keys, *self._lifetimes_s, of_days, *values)

        if not pairs:
            return []
        if self._clustered:
            question = Question((_SCRIPT.sha, _SCRIPT.text), _by_slot(pairs), words)
            answers = store.attempt(lambda: question.ask(self._client), self._sleep)
            return [answers[index] for index in range(len(pairs))]
        found = store.attempt(
            lambda: _SCRIPT.run(self._client, words(range(len(pairs)))), self._sleep, lambda: store.renew(self._client)
        )
        return cast("list[bytes | None]", found)


def _by_slot(pairs: Sequence[_Pair]) -> dict[int, list[int]]:
    """Return the indexes of keys by slot: a cluster runs a script on keys of one slot."""
    slots: dict[int, list[int]] = defaultdict(list)
    for index, (key, _) in enumerate(pairs):
        slots[_SLOT_OF_TAG[key[2]]].append(index)
    return slots


def _key(tags: list[bytes], secret: bytes, name: bytes) -> bytes:
    digest = hashlib.blake2b(name, digest_size=16, key=secret).digest()
    return tags[digest[0]] + digest
