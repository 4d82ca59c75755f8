"""E-mail address -> contact: the normalised form identifies the contact (contract, section 3).

The local part is normalised to NFC and lower case, the domain to the ASCII form that DNS and mail servers use (IDNA
2008, RFC 5891), so that its Unicode and punycode spellings are the same contact. Addresses whose domain is ASCII do not
depend on Unicode tables, so a newer table never renames them.

Invariant: normalising a normalised address changes nothing.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

MAX_CHARACTERS = 254  # RFC 5321's limit of a path, less its brackets

# NFC makes at most four characters one. What is longer cannot come to fit, and the work on it would be quadratic.
_MOST_CHARACTERS = 4 * MAX_CHARACTERS

# Characters that show nothing: Unicode's Default_Ignorable_Code_Point (zero widths, bidirectional marks, the soft
# hyphen, fillers, variation selectors, tags), interlinear annotations and the blank of Braille.
_INVISIBLE: Final = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
_TRIMMED = "".join(chr(code) for first, last in _INVISIBLE for code in range(first, last + 1)) + "".join(
    character for character in map(chr, range(0x3001)) if character.isspace()
)

# No white space, control character, lone surrogate or invisible character anywhere, and one "@".
_NEVER = r"@\s\x00-\x1f\x7f-\x9f\ud800-\udfff" + "".join(f"{chr(first)}-{chr(last)}" for first, last in _INVISIBLE)
# What is copied along with an address: a link's scheme and brackets, punctuation, quotation marks.
_ADDRESS = re.compile(rf"(?!<|(?i:mailto:))[^{_NEVER}]+@[^{_NEVER}]*[^{_NEVER},;.>\"']")
# What nearly every address looks like: nothing of it needs more than lower case. With ":" or "<" it may be a link.
_USUAL_ADDRESS = re.compile(r"[!-9;=>?A-~]+@[!-?A-~]*[!#-&(-+\-/-:<=?A-~]")


def normalise(email: str) -> str | None:
    """Return the normalised form of an e-mail address, or None when it is not one."""
    return _known(email) if len(email) <= MAX_CHARACTERS else _normalise(email)


def _normalise(email: str) -> str | None:
    if len(email) <= MAX_CHARACTERS and _USUAL_ADDRESS.fullmatch(email) is not None:
        return email.lower()
    address = email.strip()
    if address and not (address[0] + address[-1]).isascii():
        address = address.strip(_TRIMMED)
    if len(address) > _MOST_CHARACTERS or _ADDRESS.fullmatch(address) is None:
        return None
    local, _, domain = address.partition("@")
    address = f"{_local(local)}@{domain.lower() if domain.isascii() else _ascii(domain)}"
    return address if len(address) <= MAX_CHARACTERS and _ADDRESS.fullmatch(address) is not None else None


_known = lru_cache(16_384)(_normalise)  # a contact comes again and again; 5 MB


def _local(local: str) -> str:
    if local.isascii():
        return local.lower()
    # Lower-casing can break NFC and NFC can bring upper case to lower: once more each way makes it stable.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).lower())


@lru_cache(1024)
def _ascii(domain: str) -> str:
    """Return the ASCII form of a domain that is not ASCII; empty: it has none.

    UTS 46 maps what people type (upper case, full width, ideographic full stops) as browsers do, without its
    transitional rules: "ß" and "ss" are two domains. Labels that are ASCII are taken as they are, as elsewhere.
    """
    import idna  # noqa: PLC0415  its tables take 10 ms to load, and hardly any sender needs them

    if len(domain) > MAX_CHARACTERS:
        return ""
    try:
        labels = idna.uts46_remap(domain, std3_rules=False, transitional=False).split(".")
        name = ".".join(label if label.isascii() else idna.alabel(label).decode() for label in labels)
    except (idna.IDNAError, UnicodeError):
        return ""
    return name.lower()
