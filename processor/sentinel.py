"""Which store this is, and whether it still holds what it has acknowledged. Pure.

A store holds an identity for each installation: a random name, created once without an expiry, and the Kafka cluster
whose events are claimed there. Three checks detect lost or foreign claims:

- A worker leaves a mark in the store with every call: an increasing number, under the process's own name. A mark that
  is missing, or lower than one that was acknowledged, means that the store was emptied, replaced, or failed over to a
  lagging replica. No other worker's calls can hide or cause that.
- Committed offsets carry the store's name (`Note`): a starting worker compares the last one with the store it finds.
- Another Kafka cluster in the identity: two installations would claim each other's days (DECISIONS.md, 28).
"""

import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, Self

from processor.errors import Fatal

_NAME_BYTES: Final = 8
_MARK_BYTES: Final = 6
_NOTE: Final = re.compile(r"store=([0-9a-f]{16}) at=([0-9]{1,15})")
_IDENTITY: Final = re.compile(r"1 ([0-9a-f]{16}) (\S+) ([0-9]{1,12})")
_UNKNOWN: Final = "-"
_MARGIN_S: Final = 60.0


class Identity(NamedTuple):
    """A store, as one installation knows it.

    Attributes:
        name: of the store, 16 hexadecimal digits.
        kafka: id of the Kafka cluster whose events are claimed there; "-" unknown.
        made_s: when it was made, in epoch seconds; 0: by the first worker of a new installation.
    """

    name: str
    kafka: str
    made_s: int

    @classmethod
    def new(cls, kafka: str | None, made_s: int) -> Self:
        """Return the identity of a store that has none yet."""
        return cls(secrets.token_hex(_NAME_BYTES), kafka or _UNKNOWN, made_s)

    def packed(self) -> bytes:
        """Return it as the store keeps it."""
        return f"1 {self.name} {self.kafka} {self.made_s}".encode()

    @classmethod
    def unpacked(cls, packed: bytes) -> Self:
        """Return the identity that a store keeps.

        Raises:
            Fatal: it is none.
        """
        found = _IDENTITY.fullmatch(packed.decode(errors="replace"))
        if found is None:
            raise Fatal("Redis has another application's value under one of Daymark's keys: use a separate database")
        return cls(found[1], found[2], int(found[3]))

    def claimed_for(self, kafka: str | None, moved_from: str | None) -> Self:
        """Return the identity with the Kafka cluster that is read now.

        Args:
            kafka: its id; None: it has none.
            moved_from: the cluster from which topics and claims were moved to this one.

        Raises:
            Fatal: the claims are another cluster's.
        """
        if kafka is None or self.kafka in {kafka, _UNKNOWN, moved_from}:
            return self._replace(kafka=kafka or self.kafka)
        raise Fatal(
            f"Redis holds the claims of topics on another Kafka cluster ({self.kafka}; this one is {kafka}), and two "
            "installations would claim each other's days. If both are in use, give one a DAYMARK_TOPIC_PREFIX or a "
            f"separate Redis database; if the topics were moved here, set DAYMARK_CLAIMS_MOVED_FROM={self.kafka}"
        )


class Note(NamedTuple):
    """What committed offsets say: the store that their claims are in, and when they were committed."""

    store: str
    at_ms: int

    def text(self) -> str:
        """Return it as an offset's metadata."""
        return f"store={self.store} at={self.at_ms}"


def newest(metadata: Iterable[str | None]) -> Note | None:
    """Return the newest note among the metadata of a group's offsets; None: there is none."""
    found = (_NOTE.fullmatch(text or "") for text in metadata)
    return max((Note(match[1], int(match[2])) for match in found if match), key=lambda note: note.at_ms, default=None)


def is_other(found: Identity, last: Note | None, now_s: float, lifetime_s: float) -> bool:
    """Return whether claims that may still matter were made in another store than the one that was found."""
    return last is not None and found.name != last.store and now_s - last.at_ms / 1000 < lifetime_s


class Marks:
    """The marks of this process, one for each hash tag of its keys."""

    def __init__(self, lifetime_s: float, clock: Callable[[], float] = time.time) -> None:
        """Begin a life without marks.

        Args:
            lifetime_s: of a mark in the store.
            clock: epoch seconds.
        """
        self.process: Final = secrets.token_bytes(16)
        self._lifetime_s, self._clock = lifetime_s, clock
        self._calls = 0
        self._acknowledged: dict[int, tuple[int, float]] = {}

    def next(self) -> bytes:
        """Return the mark of a new call; the same call asked again has the same mark."""
        self._calls += 1
        return self._calls.to_bytes(_MARK_BYTES, "big")

    def acknowledged(self, tags: Sequence[int], before: Sequence[bytes | None]) -> str | None:
        """Note that the last mark was stored for some tags, and the value that it replaced.

        Returns:
            what has happened to the store since the previous mark: "emptied", "older", or None.
        """
        now = self._clock()
        happened = {self._happened(tag, found, now) for tag, found in zip(tags, before, strict=True)} - {None}
        if happened:  # reported once: marks of other tags may be gone, too
            self._acknowledged.clear()
        self._acknowledged |= dict.fromkeys(tags, (self._calls, now))
        return min((what for what in happened if what), default=None)

    def _happened(self, tag: int, found: bytes | None, now: float) -> str | None:
        call, at = self._acknowledged.get(tag, (0, 0.0))
        if not call or now - at >= self._lifetime_s - _MARGIN_S:
            return None
        if found is None:
            return "emptied"
        return "older" if int.from_bytes(found, "big") < call else None
