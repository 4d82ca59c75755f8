"""What the requests in flight hold, and how much of it there may be: back-pressure before memory grows."""

from typing import Final, Self

from ingest.room import Room

# At 5,000 requests of 64 MiB in all, one process stays well under 200 MiB whatever Kafka does.
MOST_REQUESTS: Final = 5_000
MOST_BYTES: Final = 64 * 1024 * 1024

STRANGER: Final = ""  # who sends a request whose key is not known yet: all of them share one room


class Load:
    """The requests being worked on and the bytes of their bodies, in one process."""

    def __init__(self, most_requests: int = MOST_REQUESTS, most_bytes: int = MOST_BYTES) -> None:
        self.requests, self.bytes = Room(most_requests), Room(most_bytes)

    def has_room(self) -> bool:
        """Whether another request may be worked on, whoever sends it."""
        return self.requests.held < self.requests.most and self.bytes.held < self.bytes.most


class Share:
    """One request's part of the load, from `with` to its end. `owner` is the workspace that it counts for."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._counted, self._bytes = False, 0
        self.owner = STRANGER

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def belongs_to(self, owner: str) -> bool:
        """Count the request, and what it holds, for a workspace or for strangers; false when they have no room."""
        held = self._bytes
        self._let_go()
        fits = self._load.requests.fits(owner, 1) and self._load.bytes.fits(owner, held)
        self._load.requests.take(owner, 1)
        self._load.bytes.take(owner, held)
        self.owner, self._counted, self._bytes = owner, True, held
        return fits

    def hold(self, count: int) -> bool:
        """Take note of bytes that are kept; false when there is no room for them."""
        fits = self._load.bytes.fits(self.owner, count)
        self._load.bytes.take(self.owner, count)
        self._bytes += count
        return fits

    def _let_go(self) -> None:
        if self._counted:
            self._load.requests.give(self.owner, 1)
            self._load.bytes.give(self.owner, self._bytes)
            self._counted, self._bytes = False, 0
