"""E-mail address -> contact: the normalised form names the contact (contract, section 3).

Invariant: normalising a normalised address changes nothing.
"""

import re
import unicodedata

MAX_CHARACTERS = 254  # RFC 5321's limit of a path, less its brackets

# One "@" with something on both sides; no white space, control character or lone surrogate anywhere.
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff@]+@[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff@]+")


def normalise(email: str) -> str | None:
    """Return the normalised form of an e-mail address, or None when it is not one."""
    address = email.strip().lower()
    if not address.isascii():
        # Lower-casing can break NFC and NFC can bring upper case to lower: once more each way makes it stable.
        address = unicodedata.normalize("NFC", unicodedata.normalize("NFC", email.strip()).lower()).strip()
    if len(address) > MAX_CHARACTERS or _ADDRESS.fullmatch(address) is None:
        return None
    return address
