"""The store: one server that runs the product's scripts, one call at a time, and may lose what it has not synced.

The server's side knows the three scripts of `processor.scripts` by their digests and does what each says; tests hold
that against a real one. The client's side is the part of `redis.Redis` that a worker uses.
"""

from typing import Any

import redis

from processor import scripts
from processor.traits import Clock
from tests.world.kernel import Kernel, Process
from tests.world.network import Broken, Link, Network, Reply

_MARK_BYTES, _OWNER_BYTES, _CLOCK_BYTES = 6, 12, 20


class StoreServer:
    """A Redis or a Valkey."""

    name = "store"

    def __init__(self, kernel: Kernel) -> None:
        self.up, self.full, self.read_only = True, False, False
        self.keys: dict[bytes, bytes] = {}
        self._kernel = kernel
        self._writes: list[tuple[float, bytes, bytes | None]] = []  # when, and what was there before

    def take(self, request: Any, reply: Reply) -> None:
        """Take a command."""
        name, *words = request
        reply(getattr(self, f"_{name}")(*words))

    def lose(self, seconds: float) -> int:
        """Lose what was written last, and return how many writes: it was not synced, or a replica lags behind."""
        lost = 0
        while self._writes and self._kernel.now - self._writes[-1][0] <= seconds:
            _, key, before = self._writes.pop()
            lost += 1
            if before is None:
                self.keys.pop(key, None)
            else:
                self.keys[key] = before
        return lost

    # Commands.

    def _hello(self) -> Any:
        return {b"server": b"valkey", b"version": b"8.1.0", b"mode": b"standalone"}

    def _dbsize(self) -> int:
        return len(self.keys)

    def _get(self, key: bytes) -> bytes | None:
        return self.keys.get(key)

    def _script(self, sha: str, count: int, *words: Any) -> Any:
        if sha == scripts.READ.sha:
            return [self.keys.get(key) for key in words[:count]]
        if self.full:
            return redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'.")
        if self.read_only:
            return redis.exceptions.ReadOnlyError("You can't write against a read only replica.")
        keys, arguments = words[:count], words[count:]
        return (self._claim if sha == scripts.CLAIM.sha else self._identify)(keys, arguments)

    def _identify(self, keys: Any, arguments: Any) -> Any:
        before = self.keys.get(keys[0])
        if before is None or before == arguments[1]:
            self._set(keys[0], arguments[0])
        return [before, self.keys.get(keys[1])]

    def _claim(self, keys: Any, arguments: Any) -> Any:
        _, _, owners, clocks, mark = arguments
        values = _parts(owners, _OWNER_BYTES) + _parts(clocks, _CLOCK_BYTES)
        days, marked, answers = len(owners) // _OWNER_BYTES, len(values), []
        values += [mark] * (len(keys) - marked)
        for index, (key, value) in enumerate(zip(keys, values, strict=True)):
            before = self.keys.get(key)
            if index < days:
                is_set = before is None
            elif index < marked:
                is_set = before is None or not Clock.unpacked(value).is_stale(Clock.unpacked(before))
            else:
                is_set = before is None or before[:_MARK_BYTES] < value[:_MARK_BYTES]
            if is_set:
                self._set(key, value)
            answers.append(before)
        return answers

    def _set(self, key: bytes, value: bytes) -> None:
        self._writes.append((self._kernel.now, key, self.keys.get(key)))
        self.keys[key] = value


class WorldRedis(redis.Redis):
    """The client, as `processor.store` and `processor.claims` use it."""

    def __init__(self, network: Network, process: Process, server: StoreServer, timeout_s: float) -> None:
        self._network, self._process, self._server, self._timeout_s = network, process, server, timeout_s
        self._link: Link | None = None
        self.connection_pool: Any = self

    def disconnect(self, **_: Any) -> None:
        """Drop the connection."""
        if self._link is not None:
            self._link.close()
        self._link = None

    close = disconnect

    def evalsha(self, sha: str, numkeys: int, *words: Any) -> Any:
        return self._ask("script", sha, numkeys, *words)

    def execute_command(self, *words: Any, **_: Any) -> Any:
        return self._ask(words[0].lower(), *words[1:])

    def dbsize(self, **_: Any) -> Any:
        return self._ask("dbsize")

    def get(self, name: Any) -> Any:
        return self._ask("get", name)

    def __del__(self) -> None:
        """There is nothing to release."""

    def _ask(self, *request: Any) -> Any:
        if self._link is None or not self._link.open:
            self._link = self._network.connect(self._process, "store", self._server)
        try:
            return self._link.call(request, self._timeout_s)
        except Broken as error:
            self._link = None
            kind = redis.TimeoutError if "timed out" in str(error) else redis.ConnectionError
            raise kind(str(error)) from error


def _parts(whole: bytes, size: int) -> list[bytes]:
    return [whole[begin : begin + size] for begin in range(0, len(whole), size)]
