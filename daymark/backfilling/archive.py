"""The files of an archive: found, sorted, and read line by line. Knows nothing of events.

Invariant: memory holds one line and one chunk, however large a file or a line is.
"""

import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

ENDINGS: Final = (".gz", ".json", ".jsonl", ".ndjson")
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_BUFFER_BYTES: Final = 256 * 1024


class Damaged(Exception):
    """A file cannot be read, or not to its end, for example because a copy was interrupted."""


class File(NamedTuple):
    """A file of an archive: its full name, its size as stored, and how to open it."""

    name: str
    size: int
    open: Callable[[], BinaryIO]


class Line(NamedTuple):
    """A line: its number, from 1; its bytes, None if it is too long; the number of bytes of the file read so far.

    `is_ended`: whether it has a line end; a last line without one may be part of a line.
    """

    number: int
    text: bytes | None
    read: int
    is_ended: bool


class Found(NamedTuple):
    """The files of an archive, sorted by name, and the number of other files among them."""

    files: list[File]
    stray: int


def is_archived(name: str) -> bool:
    """Whether the name of a file in a folder is that of a file of events."""
    last = name.rpartition("/")[2]
    return last.endswith(ENDINGS) and not last.startswith(".")


def find(paths: Iterable[Path]) -> Found:
    """Return the files in folders, and files that are named directly, whatever their ending.

    Raises:
        Damaged: a folder cannot be read.
    """
    found: dict[str, File] = {}
    stray: set[str] = set()
    for path in paths:
        for name in _within(Path(os.path.abspath(path))):  # noqa: PTH100  a link stays as it is named
            text = str(name)
            if name == path.absolute() or is_archived(text):
                found[text] = _local(name)
            else:
                stray.add(text)
    return Found([found[name] for name in sorted(found)], len(stray - found.keys()))


def lines(file: File, skip: int, most: int) -> Iterator[Line]:
    """Yield a file's lines, without their ends.

    Args:
        file: compressed by gzip or not, regardless of its name.
        skip: the number of lines to skip at its beginning.
        most: bytes of a line; for a longer one only its number is yielded.

    Raises:
        Damaged: it cannot be read to its end. All complete lines before that were yielded.
    """
    try:
        with file.open() as stored:
            for number, (text, is_ended) in enumerate(_texts(stored, most), 1):
                if number > skip:
                    yield Line(number, text, stored.tell(), is_ended)
    except (OSError, EOFError, zlib.error) as error:
        raise Damaged(f"{file.name} cannot be read to its end: {error}") from None


def _texts(stored: BinaryIO, most: int) -> Iterator[tuple[bytes | None, bool]]:
    is_gzip = stored.read(len(_GZIP)) == _GZIP
    stored.seek(0)
    plain: Any = gzip.GzipFile(fileobj=stored) if is_gzip else stored
    if plain.peek(len(_BOM))[: len(_BOM)] == _BOM:
        plain.read(len(_BOM))
    while line := plain.readline(most + 1):
        if line.endswith(b"\n") or len(line) <= most:
            yield line.rstrip(b"\r\n"), line.endswith(b"\n")
            continue
        while line and not line.endswith(b"\n"):
            line = plain.readline(_BUFFER_BYTES)  # the rest of it
        yield None, line.endswith(b"\n")


def _within(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return

    def fail(error: OSError) -> None:
        raise Damaged(f"{error.filename} cannot be read: {error.strerror}")

    for folder, _, names in os.walk(path, onerror=fail):
        for name in names:
            yield Path(folder, name)


def _local(path: Path) -> File:
    try:
        return File(str(path), path.stat().st_size, lambda: path.open("rb"))
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from None
