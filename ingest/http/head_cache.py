"""A cache of recently parsed request heads: a sender's requests differ in little but their bodies.

Parsing a head is a third of the cost of a small request, and the same bytes always mean the same. Invariant: the cache
is bounded, and entries expire after some seconds, since they contain API keys.
"""

from typing import Final, NamedTuple

from ingest.http.exchange import Head

FORGET_SECONDS: Final = 10.0

_MOST: Final = 1_024  # 2 MB of heads as SDKs send them
_LONGEST_BYTES: Final = 1_024


class Parsed(NamedTuple):
    """A head, and how many bytes of a body follow it."""

    head: Head
    length: int


class HeadCache:
    """The heads that are known for now."""

    __slots__ = ("_forget_at", "_known", "find")

    def __init__(self) -> None:
        self._known: dict[bytes, Parsed] = {}
        self.find: Final = self._known.get
        self._forget_at = 0.0

    def keep(self, raw: bytes, parsed: Parsed) -> None:
        """Remember a head. Once there are too many no more are kept: those of a sender that never repeats one."""
        if len(self._known) < _MOST and len(raw) <= _LONGEST_BYTES:
            self._known[raw] = parsed

    def forget(self, now: float) -> None:
        """Forget them all, if it is time. To be called now and then, with seconds on any clock."""
        if now >= self._forget_at:
            self._forget_at = now + FORGET_SECONDS
            self._known.clear()
