"""Deduplication keys and trait clocks in Redis (contract, sections 4 and 5): names, owners and calls.

A day key is set once, by the record that owns its contact-day. A clock holds a property's newest timestamp and owner,
and only moves forward. One call per batch serves both, and leaves a mark that shows a loss to later calls (`sentinel`).

A key is "d" or "t", a hash tag (one of 64 bytes), and 16 bytes of keyed BLAKE2b: no personal data. An owner is a
record's coordinates and its topic's incarnation: 12 bytes, so that a claim takes 84 to 103 bytes (decision 1).
"""

import hashlib
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

import structlog

from processor import metrics, scripts, sentinel, store
from processor.cluster import Question, Words
from processor.decide import ContactDay
from processor.ports import Claimed
from processor.sentinel import Identity, Marks, Note
from processor.slots import TAGS, slot
from processor.traits import Clock, Property

DAY_S: Final = 86_400

log = structlog.get_logger()

# What a key begins with, by the first byte of its digest.
_DAY_TAGS, _CLOCK_TAGS = ([b"%b{%c}" % (kind, tag) for tag in TAGS * 4] for kind in (b"d", b"t"))
# And what it began with up to version 0.1, whose tags lay unevenly on the nodes of a cluster (DECISIONS.md, 31).
_OLD_TAGS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
_OLD_DAY_TAGS, _OLD_CLOCK_TAGS = ([b"%b{%c}" % (kind, tag) for tag in _OLD_TAGS * 4] for kind in (b"d", b"t"))
_SLOT_OF_TAG = [slot(tag) for tag in range(256)]
_INCARNATION_BYTES, _OWNER_BYTES, _CLOCK_BYTES = 4, 12, 20
_ADVICE: Final = (
    "claims are lost: contact-days may be emitted again, under the same interaction_id; "
    "`daymark claims rebuild --execute` restores them, see docs/store.md"
)


def day_key(secret: bytes, contact_day: ContactDay) -> bytes:
    """Return the key of a contact-day's claim; `secret` is at most 64 bytes."""
    return _keys(_DAY_TAGS, secret, [_name(contact_day)])[0]


def old_keys(secret: bytes, contact_days: Iterable[ContactDay], properties: Iterable[Property]) -> list[bytes]:
    """Return the keys that versions up to 0.1 gave to contact-days, then those of properties."""
    return _keys(_OLD_DAY_TAGS, secret, map(_name, contact_days)) + _keys(_OLD_CLOCK_TAGS, secret, properties)


def clock_key(secret: bytes, of: Property) -> bytes:
    """Return the key of a property's clock; `secret` is at most 64 bytes."""
    return _keys(_CLOCK_TAGS, secret, [of])[0]


class Lifetimes(NamedTuple):
    """How long claims and clocks are kept, in days."""

    claim_days: int
    clock_days: int


def bound(secret: bytes | None, installation: str) -> bytes:
    """Return the secret of an installation's keys.

    Args:
        secret: DAYMARK_CLAIM_KEY; None: a public one.
        installation: its topics' prefix. Without one the keys are those of versions that knew no installations.
    """
    plain = hashlib.sha256(secret or b"").digest()
    return hashlib.blake2b(installation.encode(), digest_size=32, key=plain).digest() if installation else plain


class Claims:
    """The claims and clocks of all workers of an installation."""

    def __init__(
        self,
        url: str,
        secret: bytes | None,
        lifetimes: Lifetimes,
        installation: str = "",
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create a client; nothing is connected yet.

        Args:
            url: see `store.client`.
            secret: of the keyed hash; None: a public one.
            lifetimes: of claims and clocks.
            installation: whose claims they are; see `bound`.
            sleep: waits for some seconds.
            clock: epoch seconds.
        """
        self._secret, self._old_secret = bound(secret, installation), bound(secret, "")
        self._lifetimes_s = (lifetimes.claim_days * DAY_S, lifetimes.clock_days * DAY_S)
        self._sleep, self._clock = sleep, clock
        self._clustered = store.is_clustered(url)
        self._client = store.client(url)
        self._marks = Marks(self._lifetimes_s[0], clock)
        self._identity: Identity | None = None
        self._kafka: str | None = None
        self._moved_from: str | None = None
        self._last: Note | None = None

    @property
    def met(self) -> bool:
        """Whether the store was looked at; see `meet`."""
        return self._identity is not None

    def introduce(self, kafka: str | None, last: Note | None, moved_from: str | None) -> None:
        """Say who asks, before the first claim.

        Args:
            kafka: id of the Kafka cluster whose events are claimed; None: it has none.
            last: what the group's offsets say of the store.
            moved_from: the Kafka cluster from which topics and claims were moved.
        """
        self._kafka, self._last, self._moved_from = kafka, last, moved_from

    def meet(self) -> None:
        """See that the store is one that claims can be kept in, and the one that they were kept in. Done once.

        Raises:
            ClaimsAway: Redis cannot answer.
            Fatal: it is no store for these claims.
        """
        if self._identity is not None:
            return
        if not self._clustered:
            store.attempt(lambda: store.check(self._client), self._sleep, lambda: store.renew(self._client))
        new = Identity.new(self._kafka, 0 if self._is_empty() else int(self._clock()))
        found = self._identify(new)
        identity = new if found is None else Identity.unpacked(found)
        ours = identity.claimed_for(self._kafka, self._moved_from)
        if ours != identity:
            self._identify(ours, found)
        if sentinel.is_other(ours, self._last, self._clock(), max(self._lifetimes_s)):
            self._notice("emptied" if found is None else "another")
        self._identity, self._last = ours, None

    def note(self) -> str:
        """Return what committed offsets are to say of the store."""
        return "" if self._identity is None else Note(self._identity.name, int(self._clock() * 1000)).text()

    def claim(self, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]) -> Claimed:
        """Claim contact-days, each for an owner, and set clocks forward, each to a time or not at all.

        A call whose reply was lost may be repeated: it then returns our own owners and clocks.

        Raises:
            ClaimsAway: Redis cannot answer; some of the claims may have been made.
            ClaimsFull: it is out of memory.
            Fatal: it refuses the call.
        """
        if not owners and not clocks:
            return Claimed([], [])
        self.meet()
        held, newest = self._before_upgrade(owners, clocks)
        asked = {day: owner for day, owner in owners.items() if day not in held} if held else owners
        keys = _keys(_DAY_TAGS, self._secret, map(_name, asked)) + _keys(_CLOCK_TAGS, self._secret, clocks)
        answers = iter(self._ask(keys, list(asked.values()), [clock.packed() for clock in clocks.values()]))
        holders = [held[day] if day in held else next(answers) for day in owners]
        before = [None if packed is None else Clock.unpacked(packed) for packed in answers]
        if newest:
            before = [_later(clock, newest.get(of)) for of, clock in zip(clocks, before, strict=True)]
        return Claimed(holders, before)

    def holders(self, contact_days: Iterable[ContactDay]) -> list[bytes | None]:
        """Return the owners of contact-days, without claiming any; None: unclaimed. Raises as `claim` does."""
        return self._read([day_key(self._secret, contact_day) for contact_day in contact_days])

    def is_stranger(self) -> bool:
        """Return whether the store is not empty, and knows nothing of this installation under this secret."""
        return not self.is_known() and store.size(self._client) != 0

    def is_known(self) -> bool:
        """Return whether the store holds, or has held, claims of this installation under this secret."""
        return self._read([self._identity_key()]) != [None]

    def policy(self) -> str | None:
        """Return the store's eviction policy where it says; only noeviction keeps claims. None: it does not say."""
        return store.policy(self._client)

    def answers(self) -> bool:
        """Return whether the store answers now. May be called by another thread."""
        return store.answers(self._client, day_key(self._secret, ContactDay("", "", 0)))

    def close(self) -> None:
        """Release the connections."""
        self._client.close()

    def _is_empty(self) -> bool:
        """Return whether a store without an identity has no key at all, so none of an older version either."""
        return not self.is_known() and store.size(self._client) == 0

    def _identity_key(self) -> bytes:
        return _keys(_DAY_TAGS, self._secret, [b"identity"])[0]

    def _identify(self, identity: Identity, instead_of: bytes | None = None) -> bytes | None:
        key = self._identity_key()
        tag = key[2] if self._clustered else TAGS[TAGS.index(key[2]) - 1]
        keys = (key, b"t{%c}" % tag + key[4:])
        return self._run(scripts.IDENTIFY, keys, lambda _: (2, *keys, identity.packed(), instead_of or b""))[0]

    def _ask(self, keys: list[bytes], owners: list[bytes], clocks: list[bytes]) -> list[bytes | None]:
        values, days, marked = owners + clocks, len(owners), len(keys)
        tags, mark = sorted({key[2] for key in keys}) if self._clustered else [TAGS[0]], self._marks.next()
        keys += [b"d{%c}" % tag + self._marks.process for tag in tags]

        def words(indexes: Sequence[int]) -> tuple[Any, ...]:
            of_days, upto = bisect_left(indexes, days), bisect_left(indexes, marked)
            first = b"".join([values[index] for index in indexes[:of_days]])
            rest = b"".join([values[index] for index in indexes[of_days:upto]])
            if len(first) != of_days * _OWNER_BYTES or len(rest) != (upto - of_days) * _CLOCK_BYTES:
                raise ValueError("an owner must have 12 bytes: the script cuts them apart by that")
            return (len(indexes), *[keys[index] for index in indexes], *self._lifetimes_s, first, rest, mark)

        answers = self._run(scripts.CLAIM, keys, words)
        happened = self._marks.acknowledged(tags, answers[marked:])
        if happened:
            self._notice(happened)
            self._identity = None  # met anew: it may be another one's by now
        return answers[:marked]

    def _read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._run(scripts.READ, keys, lambda indexes: (len(indexes), *(keys[index] for index in indexes)))

    def _run(self, script: store.Script, keys: Sequence[bytes], words: Words) -> list[bytes | None]:
        if self._clustered:
            question = Question((script.sha, script.text), _by_slot(keys), words)
            found = store.attempt(lambda: question.ask(self._client), self._sleep)
            return [found[index] for index in range(len(keys))]
        answers = store.attempt(
            lambda: script.run(self._client, words(range(len(keys)))), self._sleep, lambda: store.renew(self._client)
        )
        return cast("list[bytes | None]", answers)

    def _before_upgrade(
        self, owners: Mapping[ContactDay, bytes], clocks: Mapping[Property, Clock]
    ) -> tuple[dict[ContactDay, bytes], dict[Property, Clock]]:
        """Return the holders and clocks of these topics under the keys of versions up to 0.1.

        For one lifetime after the first start of a later one: then all of them have expired. They knew no
        installations: if there is one, owners identify it by the mark of the topic's incarnation.
        """
        made_s = self._identity.made_s if self._identity else 0
        if self._clock() - made_s > max(self._lifetimes_s):
            return {}, {}
        keys = old_keys(self._old_secret, owners, clocks)
        found = self._read(keys)
        days, times = zip(owners.items(), found, strict=False), zip(clocks.items(), found[len(owners) :], strict=True)
        held = {day: holder for (day, owner), holder in days if holder and self._is_ours(holder, owner)}
        before = {of: (clock, Clock.unpacked(packed)) for (of, clock), packed in times if packed}
        return held, {of: old for of, (clock, old) in before.items() if self._is_ours(old.owner, clock.owner)}

    def _is_ours(self, old: bytes, now: bytes) -> bool:
        return self._secret == self._old_secret or old[:_INCARNATION_BYTES] == now[:_INCARNATION_BYTES]

    def _notice(self, found: str) -> None:
        metrics.STORE_LOST.set_to_current_time()
        log.error("store.lost", found=found, advice=_ADVICE)


def _later(one: Clock | None, other: Clock | None) -> Clock | None:
    return other if one is None or (other is not None and one.is_stale(other)) else one


def _by_slot(keys: Sequence[bytes]) -> dict[int, list[int]]:
    """Return the indexes of keys by slot: a cluster runs a script on keys of one slot."""
    slots: dict[int, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        slots[_SLOT_OF_TAG[key[2]]].append(index)
    return slots


def _name(contact_day: ContactDay) -> bytes:
    return f"{contact_day.workspace}\n{contact_day.email}\n{contact_day.day}".encode()


def _keys(tags: list[bytes], secret: bytes, names: Iterable[bytes]) -> list[bytes]:
    begun, keys = _keyed(secret), []
    for name in names:
        keyed = begun.copy()  # twice as quick as to begin anew
        keyed.update(name)
        digest = keyed.digest()
        keys.append(tags[digest[0]] + digest)
    return keys


@lru_cache(4)
def _keyed(secret: bytes) -> Any:
    return hashlib.blake2b(digest_size=16, key=secret)
