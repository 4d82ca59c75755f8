"""E-mail address -> contact: the normalised form names the contact (contract, section 3).

Invariant: normalising a normalised address changes nothing.
"""

import re
import unicodedata

MAX_CHARACTERS = 254  # RFC 5321's limit of a path, less its brackets

# NFC makes at most four characters one. What is longer cannot come to fit, and the work on it would be quadratic.
_MOST_CHARACTERS = 4 * MAX_CHARACTERS

# One "@" with something on both sides; no white space, control character or lone surrogate anywhere.
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff@]+@[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff@]+")
# What nearly every address looks like: nothing of it needs more than lower case.
_USUAL_ADDRESS = re.compile(r"[!-?A-~]+@[!-?A-~]+")


def normalise(email: str) -> str | None:
    """Return the normalised form of an e-mail address, or None when it is not one."""
    if len(email) <= MAX_CHARACTERS and _USUAL_ADDRESS.fullmatch(email) is not None:
        return email.lower()
    address = email.strip()
    if len(address) > _MOST_CHARACTERS:
        return None
    if address.isascii():
        address = address.lower()
    else:
        # Lower-casing can break NFC and NFC can bring upper case to lower: once more each way makes it stable.
        address = unicodedata.normalize("NFC", unicodedata.normalize("NFC", address).lower())
    if len(address) > MAX_CHARACTERS or _ADDRESS.fullmatch(address) is None:
        return None
    return address
