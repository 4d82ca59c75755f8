"""How often a key occurs in an event, in any spelling: one search of its bytes instead of a walk over all its fields.

This shows that a field is absent, whatever else the event contains. Invariant: no spelling that `lookup.squash` maps to
a key is ever missed; a false match, such as a key of an unrelated object, only costs time.
"""

import re
from typing import Final

import msgspec

_LOWER: Final = bytes(range(256)).lower()
_SKIPPED: Final = b"_- \t\r\n"  # what `squash` leaves out, and what JSON allows between a key and its colon

# What spells a letter or a separator of a key without being it: one of them escaped, and the only other character that
# is an ASCII letter in lower case, U+212A (KELVIN SIGN). Go escapes "&", "<" and ">", which are in no key.
_ESCAPED: Final = re.compile(rb"\\u(?:00(?:[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|20|2[dD])|212[aA])")
_KELVIN: Final = "\u212a".encode()
_KELVIN_BEGINS: Final = _KELVIN[0]

BACKSLASH: Final = ord("\\")  # a number: of bytes `in` first asks whether they are one, by an exception


class Keys(msgspec.Struct, gc=False):
    """The keys of one event, which is JSON in UTF-8; folded when they are first asked for."""

    body: bytes
    _folded: bytes | None = None

    def times(self, quoted: bytes) -> int:
        """Return how often a key occurs at any depth, or -1 where an escape hides what is spelled.

        Args:
            quoted: the key squashed, in quotes and with its colon: b'"messageid":'. Since a quote within a text is
                escaped, this is no part of any text.
        """
        bare = self._folded
        if bare is None:
            bare = self._folded = folded(self.body)
        return bare.count(quoted) if bare else -1


def folded(body: bytes) -> bytes:
    """Return an event's bytes as `squash` folds keys; none where a letter is disguised."""
    # A search for one byte is many times as quick as one for more.
    if (BACKSLASH in body and _ESCAPED.search(body) is not None) or (_KELVIN_BEGINS in body and _KELVIN in body):
        return b""
    return body.translate(_LOWER, _SKIPPED)
