"""Allowed origins are understood as browsers write them, or refused at the start: none is silently dead."""

import pytest

from daymark import setting_types, settings
from daymark.settings import SettingsFaults


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("https://shop.example/", "https://shop.example"),
        ("HTTPS://Shop.Example:443/", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("https://shop.example:08443", "https://shop.example:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[2001:DB8:0::1]", "http://[2001:db8::1]"),
        ("https://xn--mller-kva.example", "https://xn--mller-kva.example"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("*", "*"),
    ],
)
def test_is_written_as_browsers_write_it(text: str, origin: str) -> None:
    """RFC 6454, section 6.2: lower case, no default port, no path."""
    assert setting_types.origins(text) == (origin,)


@pytest.mark.parametrize(
    "text",
    [
        "shop.example",
        "//shop.example",
        "https://",
        "https://shop.example/path",
        "https://shop.example//",
        "https://shop.example?x",
        "https://shop.example#x",
        "https://user@shop.example",
        "https://shop.example:",
        "https://shop.example:port",
        "https://shop.example:65536",
        "https://*.shop.example",
        "*.shop.example",
        "https://müller.example",
        "https://shop example",
        "http://[::1",
        "http://[::g]",
        "http://[1.2.3.4]",
        "null",
    ],
)
def test_what_no_browser_sends_is_a_fault(text: str) -> None:
    """It would never match, and nobody would know why."""
    with pytest.raises(SettingsFaults, match="DAYMARK_ALLOWED_ORIGINS"):
        settings.load({"DAYMARK_ALLOWED_ORIGINS": f"https://good.example, {text}"})


def test_headers_are_names() -> None:
    """In lower case, as browsers ask for them; what is no name is a fault."""
    assert setting_types.headers("X-Tenant, x-other,X-TENANT") == ("x-tenant", "x-other")
    for text in ("*", "x y", "x:y", "ä"):
        with pytest.raises(ValueError, match="not the name of a header"):
            setting_types.headers(text)
