"""E-mail address -> contact (contract, section 3)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import contact

# Letters whose lower case or NFC is surprising, marks that compose with them, and what is cut away.
_ODD = (
    "aA@.\u0130\u0131\u1e9e\u00df\u017f\u212a\u212b\u03a3\u03c2\u1fef\u0345\u0300\u0301\u0307\u0323\u1f82\uac00\u1100"
    "\u1161\ufb01\u2000\u200b\ufeff\x1f\x85\u00a0 \ud83d\U0001f600"
)


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("peter@example.com", "peter@example.com"),
        (" \t\u2003Peter@Example.COM\u00a0\r\n", "peter@example.com"),
        ("user+tag@example.com", "user+tag@example.com"),
        ("a@b", "a@b"),
        ("Jose\u0301@example.com", "jos\u00e9@example.com"),
        ("JOS\u00c9@EXAMPLE.COM", "jos\u00e9@example.com"),
        ("\u212aelvin@example.com", "kelvin@example.com"),
        ("\U0001f44d@example.com", "\U0001f44d@example.com"),
        ('"a"@b', '"a"@b'),
        ("", None),
        (" ", None),
        ("@", None),
        ("a@", None),
        ("@b", None),
        (" @b", None),
        ("peter", None),
        ("a@b@c", None),
        ("a @b", None),
        ("a@b\u2003c", None),
        ("a@b\u200ac", None),
        ("a\x00@b", None),
        ("a\x7f@b", None),
        ("a\x9f@b", None),
        ("a\ud83d@b", None),
    ],
)
def test_an_address_has_one_form(email: str, expected: str | None) -> None:
    """Trimmed, NFC, lower case; one @ with something on both sides, no white space or control character."""
    assert contact.normalise(email) == expected


@pytest.mark.parametrize("letter", ["a", "\u00e9", "e\u0301", "\u1f82", "\u03b1\u0313\u0300\u0345"])
def test_exactly_254_characters_pass(letter: str) -> None:
    """Characters are counted as they are kept, composed."""
    assert contact.normalise(letter * 252 + "@b") is not None
    assert contact.normalise(letter * 253 + "@b") is None


def test_white_space_around_does_not_count() -> None:
    """An address is trimmed before it is measured."""
    assert contact.normalise(" " * 30_000 + "a@b" + "\n" * 2_000) == "a@b"


@given(st.builds("{}@{}".format, st.text(max_size=5), st.text(max_size=5)) | st.text(_ODD, max_size=8))
def test_normalising_twice_changes_nothing(email: str) -> None:
    """The normalised form names the contact, so it is its own normalised form."""
    address = contact.normalise(email)
    if address is not None:
        assert contact.normalise(address) == address
        assert unicodedata.is_normalized("NFC", address)
        assert address == address.strip()
        assert address.encode()


def test_every_character_is_stable() -> None:
    """The same for each character that lower-casing, composing or trimming could change."""
    for character in map(chr, range(0x2FA20)):
        if character.lower() != character or unicodedata.decomposition(character) or character.isspace():
            address = contact.normalise(f"{character}a{character}\u0301@x")
            assert address is None or contact.normalise(address) == address
