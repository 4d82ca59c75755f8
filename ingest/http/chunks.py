"""The chunked transfer coding of one body (RFC 9112, section 7.1). Pure.

Implemented here because llhttp, which parses the heads, refuses the optional white space around a chunk extension; its
lenient flag also allows white space after a bare size, which others need not accept. llhttp parses trailer fields.
"""

import re
from typing import Final

LINE_LIMIT_BYTES: Final = 32 * 1024  # of a chunk's size and its extensions, as of a head

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = rb'"(?:[\t !\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t -~\x80-\xff])*"'
_EXTENSION: Final = rb"[ \t]*;[ \t]*" + _TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?"
_FIRST: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:" + _EXTENSION + rb")*\r\n")
_NEXT: Final = re.compile(rb"\r\n" + _FIRST.pattern)  # behind the data of the chunk before
_BEGINNING: Final = re.compile(rb"(?:\r(?:\n|\Z))?[0-9A-Fa-f]{0,16}(?:[ \t]*(?:;[^\r\n]*)?)?\r?")


class BadChunks(Exception):
    """The body is not in chunks as the RFC has them."""


class Chunks:
    """Decodes one body while it arrives.

    Attributes:
        ended: the last chunk was read; trailer fields and an empty line follow.
    """

    __slots__ = ("_left", "_line", "_size", "ended")

    def __init__(self) -> None:
        self.ended = False
        self._size = _FIRST
        self._left = 0  # bytes of the chunk's data still to come
        self._line = b""  # the beginning of a size line whose end has not come

    def decode(self, data: bytes, at: int) -> tuple[bytes, int, bool]:
        """Return the body's bytes in `data` from `at` on, where this stopped, and whether the last chunk is behind it.

        Raises:
            BadChunks: this is no chunk.
        """
        if self._line:
            data, at, before = self._line + data[at:], 0, at - len(self._line)
            self._line = b""
        else:
            before = 0
        parts: list[bytes] = []
        while at < len(data) and not self.ended:
            if self._left:
                part = data[at : at + self._left]
                parts.append(part)
                self._left -= len(part)
                at += len(part)
            else:
                at = self._read_size(data, at)
        return b"".join(parts), before + at, self.ended

    def _read_size(self, data: bytes, at: int) -> int:
        """Read a size line and return where it ends; one that is not whole is kept."""
        found = self._size.match(data, at)
        end = len(data) if found is None else found.end()
        if end - at > LINE_LIMIT_BYTES:
            raise BadChunks
        if found is not None:
            self._left, self._size = int(found[1], 16), _NEXT
            self.ended = not self._left
        elif _BEGINNING.fullmatch(data, at):
            self._line = data[at:]
        else:
            raise BadChunks
        return end
