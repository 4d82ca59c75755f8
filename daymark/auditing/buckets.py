"""Facts on disk, in enough files that each fits in memory: sorted and grouped one file at a time.

Facts that are compared have the same key, a key belongs to one file, and keys spread evenly: the number of files grows
with the number of records, memory does not.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

from daymark.auditing.facts import Layout

_MOST_FILES: Final = 1024


class Limits(NamedTuple):
    """How much memory an audit uses.

    `rows` of one file (about 200 bytes each while they are sorted), `buffers_bytes` not yet written to a layout's
    files, `remembered` entries in each of the ledger's caches (up to 500 bytes each).
    """

    rows: int = 50_000
    buffers_bytes: int = 8 << 20
    remembered: int = 20_000


class Buckets:
    """The facts of one layout."""

    def __init__(self, folder: Path, layout: Layout, records: int, limits: Limits) -> None:
        """Create no file yet.

        Args:
            folder: empty, and the caller's to remove.
            layout: of all facts.
            records: approximate number of facts to expect.
            limits: of memory.
        """
        files = min(max(1, records // limits.rows), _MOST_FILES)
        self._folder, self._layout = folder, layout
        self._pack, self._key_bytes = layout.row.pack, layout.key_bytes
        self._buffers = [bytearray() for _ in range(files)]
        self._most = limits.buffers_bytes // files
        self.bytes = 0

    def add(self, *fact: Any) -> None:
        """Store a fact."""
        row = self._pack(*fact)
        number = crc32(row[: self._key_bytes]) % len(self._buffers)
        buffer = self._buffers[number]
        buffer += row
        if len(buffer) >= self._most:
            self._write(number)

    def groups(self) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the facts of each key, in order. What has been read is deleted."""
        for number in range(len(self._buffers)):
            yield from self._grouped(self._taken(number))

    def _grouped(self, whole: bytes) -> Iterator[list[tuple[Any, ...]]]:
        size, unpack, key_bytes = self._layout.row.size, self._layout.row.unpack, self._key_bytes
        rows = sorted(whole[start : start + size] for start in range(0, len(whole), size))
        for _, group in groupby(rows, key=lambda row: row[:key_bytes]):
            yield list(map(unpack, group))

    def _write(self, number: int) -> None:
        with self._path(number).open("ab") as file:
            file.write(self._buffers[number])
        self.bytes += len(self._buffers[number])
        self._buffers[number].clear()

    def _taken(self, number: int) -> bytes:
        path, rest = self._path(number), bytes(self._buffers[number])
        self._buffers[number].clear()
        if not path.exists():
            return rest
        whole = path.read_bytes() + rest
        path.unlink()
        return whole

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._layout.name}-{number}"
