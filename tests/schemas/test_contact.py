"""E-mail address -> contact (contract, section 3)."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import contact

# Letters whose lower case or NFC is surprising, marks that compose with them, and what is cut away.
_ODD = (
    "aA@.,<:\u00fc\uff21\uff20\u3002\u0130\u0131\u1e9e\u00df\u017f\u212a\u212b\u03a3\u03c2\u1fef\u0345\u0300\u0301\u0307\u0323\u1f82\uac00\u1100"
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


# As pasted from pages, spreadsheets and right-to-left texts (reported by users).
@pytest.mark.parametrize(
    "email",
    [
        "zw@example.com\u200b", "\u200bzw@example.com", "\ufeffzw@example.com", "\u202azw@example.com\u202c",
        "zw@example.com\u200e", "zw@example.com\u2060", "zw@example.com\ufe0f", "zw@example.com\u180e",
        "zw@example.com\U000e0041", "\u2068zw@example.com\u2069", "\u00adzw@example.com", "zw@example.com\u061c",
        "\ufeff \u200bzw@example.com\u00a0\u2060\n", "\u00a0zw@example.com", "zw@example.com\u2800",
    ],
)  # fmt: skip
def test_invisible_characters_around_are_trimmed(email: str) -> None:
    """They are white space to whoever pasted them: the contact is the one without them."""
    assert contact.normalise(email) == "zw@example.com"


@pytest.mark.parametrize(
    "invisible",
    [
        "\u00ad", "\u034f", "\u061c", "\u115f", "\u180b", "\u180e", "\u200b", "\u200c", "\u200d", "\u200e", "\u200f",
        "\u202a", "\u202e", "\u2060", "\u2064", "\u2066", "\u2069", "\u206f", "\u2800", "\u3164", "\ufe00", "\ufe0f",
        "\ufeff", "\uffa0", "\ufff9", "\U000e0001", "\U000e0041", "\U000e007f", "\U000e0100", "\U000e01ef",
    ],
)  # fmt: skip
@pytest.mark.parametrize("email", ["z{}w@example.com", "zw{}@example.com", "zw@{}example.com", "zw@b\u00fc{}cher.de"])
def test_an_invisible_character_inside_is_invalid(email: str, invisible: str) -> None:
    """It would be another contact that looks the same."""
    assert contact.normalise(email.format(invisible)) is None


@pytest.mark.parametrize(
    "email",
    [
        "<zw@example.com>", "zw@example.com>", "<zw@example.com", "Peter<zw@example.com>", "mailto:zw@example.com",
        "MailTo:zw@example.com", "zw@example.com,", "zw@example.com.", "zw@example.com;", '"zw@example.com"',
        "'zw@example.com'", " zw@example.com. ", "zw@example.com.\u200b", "zw@b\u00fccher.de.",
        "zw@b\u00fccher.de\u3002", "<jos\u00e9@example.com>", "mailto:jos\u00e9@example.com", "zw@example.com\ufffd",
    ],
)  # fmt: skip
def test_what_is_copied_along_is_invalid(email: str) -> None:
    """Brackets, a link's scheme, quotation marks around an address, and punctuation at its end."""
    assert contact.normalise(email) is None


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("a@b\u00fccher.example", "a@xn--bcher-kva.example"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("A@XN--BCHER-KVA.Example", "a@xn--bcher-kva.example"),
        ("a@B\u00dcCHER.example", "a@xn--bcher-kva.example"),
        ("a@U\u0308ber.example", "a@xn--ber-goa.example"),
        ("a@\uff42\u00fccher\u3002example", "a@xn--bcher-kva.example"),
        ("a@\uff45xample.com", "a@example.com"),
        ("a@foo_bar.b\u00fccher.de", "a@foo_bar.xn--bcher-kva.de"),
        ("JOS\u00c9@b\u00fccher.de", "jos\u00e9@xn--bcher-kva.de"),
        ("a@fa\u00df.de", "a@xn--fa-hia.de"),
        ("a@fass.de", "a@fass.de"),
        ("a@\u0392\u038c\u039b\u039f\u03a3.gr", "a@xn--nxasmq6b.gr"),  # in lower case, as DNS asks for it
        ("a@\u05d0\u05d1.example", "a@xn--4dbc.example"),
        ("a@\U0001f44d.ws", None),  # no letter: not in IDNA 2008
        ("a@x\uff20b\u00fccher.de", None),  # a second "@", in full width
        ("a@\u0301x.de", None),
        ("a@\u05d0b.example", None),  # two directions in a label (RFC 5893)
        ("a@" + "\u00fc" * 64 + ".de", None),
        ("a@" + "\u00fc." * 200 + "de", None),
    ],
)
def test_a_domain_is_one_contact_in_unicode_and_in_punycode(email: str, expected: str | None) -> None:
    """Its ASCII form names it, by IDNA 2008 after the mapping of UTS 46; what has none is invalid."""
    assert contact.normalise(email) == expected


@given(st.builds("{}@{}".format, st.text(max_size=5), st.text(max_size=5)) | st.text(_ODD, max_size=8))
def test_normalising_twice_changes_nothing(email: str) -> None:
    """The normalised form names the contact, so it is its own normalised form."""
    address = contact.normalise(email)
    if address is not None:
        assert contact.normalise(address) == address
        assert unicodedata.is_normalized("NFC", address)
        assert address == address.strip()
        assert address.encode()


def test_every_invisible_character_is_known() -> None:
    """Whatever Python's Unicode calls a format character and shows nothing is invalid inside an address.

    Those that surround digits or letters with a sign of theirs are seen (Prepended_Concatenation_Mark).
    """
    seen = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
    for code in range(0x110000):
        if unicodedata.category(chr(code)) == "Cf" and code not in seen:
            assert contact.normalise(f"a{chr(code)}b@c") is None, hex(code)


def test_every_character_is_stable() -> None:
    """The same for each character that lower-casing, composing or trimming could change."""
    for character in map(chr, range(0x2FA20)):
        if character.lower() != character or unicodedata.decomposition(character) or character.isspace():
            for email in (f"{character}a{character}\u0301@x", f"a@x{character}"):
                address = contact.normalise(email)
                assert address is None or contact.normalise(address) == address
