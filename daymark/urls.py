"""URLs with a login, as people write them: taken apart without ever showing a part of a secret.

A password may contain any character; in a URL the ones that separate its parts must be percent-encoded. If they are
not, host and secret cannot be distinguished, so no message here quotes any part of a URL.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

_ENCODED = "in a user name or password write %23 for #, %2F for /, %3F for ?, %25 for % and %40 for @"
_PORTS = range(1, 65536)
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:,@]+)?(?::(.*))?")


class Host(NamedTuple):
    """A host, an IPv6 address without its brackets, and a port where one is given."""

    name: str
    port: int | None


class Url(NamedTuple):
    """The parts of a URL, decoded; user and password are None where there are none."""

    scheme: str
    user: str | None
    password: str | None
    hosts: tuple[Host, ...]
    path: str
    options: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        """Say nothing that may be secret."""
        return f"Url({self.scheme}://…)"

    def text(self) -> str:
        """Return the URL, everything in it encoded that has to be."""
        user, password = (None if part is None else quote(part, safe="") for part in (self.user, self.password))
        login = "" if user is password is None else f"{user or ''}{'' if password is None else f':{password}'}@"
        hosts = ",".join(_written(host) for host in self.hosts)
        options = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in self.options)
        return f"{self.scheme}://{login}{hosts}{quote(self.path)}{options and '?' + options}"


def split(text: str) -> Url:
    """Take a URL apart: scheme://[user[:password]@]host[:port][,host[:port]…][/path][?name=value[&name=value…]].

    Raises:
        ValueError: it is none; the message quotes nothing of it.
    """
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("a URL must not contain white space or control characters")
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError(f"expected scheme://host:port, without a #; {_ENCODED}")
    scheme, authority, path, options = found.groups(default="")
    if "@" in path or "@" in options:
        raise ValueError(f"unexpected @ after the host; {_ENCODED}")
    login, at, hosts = authority.rpartition("@")
    user, colon, password = login.partition(":")
    return Url(
        scheme.lower(),
        _decoded(user) if user else None,
        _decoded(password) if at and colon else None,
        tuple(_hosts(hosts)),
        _decoded(path),
        tuple(_options(options)),
    )


def _hosts(text: str) -> Iterator[Host]:
    for part in text.split(",") if text else ():
        found = _HOST.fullmatch(part)
        if found is None or found[1] is None:
            raise ValueError(f"expected host:port, with an IPv6 address in brackets; {_ENCODED}")
        yield Host(_decoded(found[1]).strip("[]"), None if found[2] is None else _port(found[2]))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len("65535") and int(text) in _PORTS):
        raise ValueError(f"the port is not a whole number from 1 to 65535; {_ENCODED}")
    return int(text)


def _options(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("&") if text else ():
        name, equals, value = part.partition("=")
        if not name or not equals:
            raise ValueError(f"options have the form name=value; {_ENCODED}")
        yield _decoded(name), _decoded(value)


def _decoded(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"a % is not followed by two hexadecimal digits; {_ENCODED}")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ValueError(f"the percent-encoded text is not UTF-8; {_ENCODED}") from None


def _written(host: Host) -> str:
    name = f"[{host.name}]" if ":" in host.name else quote(host.name)
    return name if host.port is None else f"{name}:{host.port}"
