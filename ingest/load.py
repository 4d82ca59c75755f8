"""What the requests in flight hold, and how much of it there may be: back-pressure before memory grows."""

from typing import Final, Self

# At 5,000 requests of 64 MiB in all, one process stays well under 200 MiB whatever Kafka does.
MOST_REQUESTS: Final = 5_000
MOST_BYTES: Final = 64 * 1024 * 1024


class Load:
    """The requests being worked on and the bytes of their bodies, in one process."""

    def __init__(self, most_requests: int = MOST_REQUESTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_requests, self._most_bytes = most_requests, most_bytes
        self.requests = self.bytes = 0

    def has_room(self) -> bool:
        """Whether another request may be worked on."""
        return self.requests < self._most_requests and self.bytes < self._most_bytes


class Share:
    """One request's part of the load, from `with` to its end."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._bytes = 0

    def __enter__(self) -> Self:
        self._load.requests += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._load.requests -= 1
        self._load.bytes -= self._bytes

    def hold(self, count: int) -> bool:
        """Take note of bytes that are kept; false when there is no room for them."""
        self._bytes += count
        self._load.bytes += count
        return self._load.bytes <= self._load._most_bytes  # noqa: SLF001  two halves of one thing
