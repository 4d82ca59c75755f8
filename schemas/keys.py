"""How often a key occurs in an event, in any spelling: one search of its bytes instead of a walk over all its fields.

So what an event does not say can be shown, whatever else is in it. Invariant: no spelling that `lookup.squash` brings
to a key is ever missed; a match too many, such as a key of an object that does not count, only costs time.
"""

import re
from typing import Final

_LOWER: Final = bytes(range(256)).lower()
_SKIPPED: Final = b"_- \t\r\n"  # what `squash` leaves out, and what JSON allows between a key and its colon

# What spells a letter or a separator of a key without being it: one of them escaped, and the only other character that
# is an ASCII letter in lower case, U+212A (KELVIN SIGN). Go escapes "&", "<" and ">", which are in no key.
_DISGUISED: Final = re.compile(rb"\\u(?:00(?:[46][1-9a-f]|[57][0-9a]|5f|20|2d)|212a)|\xe2\x84\xaa", re.IGNORECASE)


class Keys:
    """The keys of one event, folded when they are first asked for."""

    __slots__ = ("_body", "_folded")

    def __init__(self, body: bytes) -> None:
        """Take an event's bytes, which are JSON in UTF-8."""
        self._body = body
        self._folded: bytes | None = None

    def times(self, quoted: bytes) -> int:
        """Return how often a key occurs at any depth, or -1 where an escape hides what is spelled.

        Args:
            quoted: the key squashed, in quotes and with its colon: b'"messageid":'. Since a quote within a text is
                escaped, this is no part of any text.
        """
        folded = self._folded
        if folded is None:
            body = self._body
            disguised = (b"\\u" in body or b"\xe2" in body) and _DISGUISED.search(body) is not None
            folded = self._folded = b"" if disguised else body.translate(_LOWER, _SKIPPED)
        return folded.count(quoted) if folded else -1
