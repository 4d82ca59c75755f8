"""The schema registry's settings: text -> values. Makes no calls.

A password may contain any character: everything before the last "@" is the login. Invariant: no message and no repr
contains a part of it.
"""

import base64
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

_SITE = re.compile(
    r"(?P<scheme>https?)://(?:(?P<user>.*)@)?(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#@\s]*)?",
    re.DOTALL,
)
_BETWEEN = re.compile(r",\s*(?=https?://)")  # a password may hold a comma
_HIGHEST_PORT: Final = 65535
_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Site:
    """One address of a registry: its URL without a trailing slash, and its user's name and password, if it has any."""

    url: str
    user: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Registry:
    """A schema registry: its addresses, any of which answers for all, and what Daymark may do there.

    `may_register`: whether a schema that is not there is registered. `token` is a bearer token, `authority` the PEM
    text of the certificates that are trusted instead of the system's.
    """

    sites: tuple[Site, ...]
    may_register: bool = True
    token: str | None = field(default=None, repr=False)
    authority: str | None = None

    def authorization(self, site: Site, url: str) -> dict[str, str]:
        """Return the header that names us at a URL: none at a host that is none of the registry's, after a redirect."""
        if urlsplit(url)[:2] not in {urlsplit(each.url)[:2] for each in self.sites}:
            return {}
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token}"}
        if site.user is None:
            return {}
        return {"Authorization": f"Basic {base64.b64encode(':'.join(site.user).encode()).decode()}"}


def sites(text: str) -> tuple[Site, ...]:
    """URLs of a schema registry, comma-separated."""
    return tuple(_site(url.strip()) for url in _BETWEEN.split(text.rstrip(", ")))


def token(text: str) -> str:
    """A bearer token (RFC 6750, section 2.1)."""
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("a token must be ASCII without white space")
    return text


def authority(text: str) -> str:
    """Certificates as PEM text."""
    if _CERTIFICATE not in text:
        raise ValueError("expected the PEM text of certificates; to name a file, set the variable that ends in _FILE")
    return text


def _site(url: str) -> Site:
    found = _SITE.fullmatch(url)
    if found is None or not 0 < int(found["port"] or 1) <= _HIGHEST_PORT:
        raise ValueError(
            "expected comma-separated URLs such as http://registry:8081 or https://user:password@registry/path; "
            'an "@" in a path is written %40'
        )
    port = f":{found['port']}" if found["port"] else ""
    where = f"{found['scheme']}://{found['host']}{port}{found['path'] or ''}".rstrip("/")
    name, _, password = (found["user"] or "").partition(":")
    return Site(where, None if found["user"] is None else (unquote(name), unquote(password)))
