"""Parsers of settings: each function returns a value or raises ValueError with what was expected."""

import ipaddress
import re
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import NamedTuple

_SECRET_CHARACTERS = 16
_HIGHEST_PORT = 65535
_SLOT = re.compile(r"[A-Za-z0-9._-]{1,200}")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HEADER_NAME = re.compile(r"(?!\*$)[a-z0-9!#$%&'*+.^_`|~-]+")  # * would be a wildcard
_ORIGIN = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?/?"
)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Address(NamedTuple):
    """Where to listen; port 0 is any free one."""

    host: str
    port: int

    @property
    def reachable_host(self) -> str:
        """A host at which this machine reaches it: its own loopback address where it listens on all of them."""
        return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def url(self) -> str:
        """The URL at which this machine reaches it."""
        return f"http://{Address(self.reachable_host, self.port)}"

    def __str__(self) -> str:
        """Return host:port, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def text(text: str) -> str:
    """Any text."""
    return text


def slot(text: str) -> str:
    """Return a name that Kafka takes as group.instance.id, and a part of one that has room for a number."""
    if _SLOT.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not 1 to 200 letters, digits, '.', '_' or '-'")
    return text


def database(text: str) -> str:
    """URL of a database that the read model can use."""
    if not text.startswith(("sqlite:///", "postgresql://", "postgres://")) or text == "sqlite:///":
        raise ValueError("not sqlite:///path or postgresql://user:password@host/database")
    return text


def networks(text: str) -> tuple[Network, ...]:
    """Return IP addresses or networks, comma-separated."""
    try:
        return tuple(ipaddress.ip_network(word) for word in _words(text))
    except ValueError:
        raise ValueError("not addresses like 10.1.2.3 or 10.0.0.0/8, comma-separated") from None


def brokers(text: str) -> str:
    """host:port, comma-separated."""
    for broker in text.split(","):
        address(broker.strip())
    return text


def address(text: str) -> Address:
    """host:port; an IPv6 host in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > _HIGHEST_PORT:
        raise ValueError(f"{text!r} is not host:port")
    return Address(host.strip("[]"), int(port))


def origins(text: str) -> tuple[str, ...]:
    """Origins as browsers write them (RFC 6454, section 6.2), comma-separated, or * for any."""
    return tuple(dict.fromkeys(_origin(word) for word in _words(text)))


def headers(text: str) -> tuple[str, ...]:
    """Names of request headers (RFC 9110, section 5.1), comma-separated; in lower case."""
    names = tuple(dict.fromkeys(word.lower() for word in _words(text)))
    for name in names:
        if _HEADER_NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not the name of a header")
    return names


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _origin(text: str) -> str:
    if text == "*":
        return text
    if "*" in text:
        raise ValueError(
            f"{text!r}: wildcards within an origin are not supported; list each origin, or set * alone for any"
        )
    match = _ORIGIN.fullmatch(text)
    if match is None or int(match["port"] or 0) > _HIGHEST_PORT:
        raise ValueError(
            f"{text!r} is not an origin: a scheme and a host in ASCII (an international one in its xn-- form), perhaps "
            "a port, and nothing behind them, such as https://shop.example"
        )
    scheme, host, port = match["scheme"].lower(), _host(match["host"].lower()), match["port"]
    if port is None or int(port) == _DEFAULT_PORTS.get(scheme):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{int(port)}"


def _host(text: str) -> str:
    return f"[{IPv6Address(text.strip('[]')).compressed}]" if text.startswith("[") else text


def secret(text: str) -> bytes:
    """A secret that is long enough to be one."""
    if len(text) < _SECRET_CHARACTERS:
        raise ValueError(
            f"at least {_SECRET_CHARACTERS} characters are required; `openssl rand -hex 32` generates some"
        )
    return text.encode()


def number(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number within bounds."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return parse


def switch(text: str) -> bool:
    """On or off."""
    if text not in {"on", "off"}:
        raise ValueError(f"{text!r} is neither on nor off")
    return text == "on"


def one_of(*words: str) -> Callable[[str], str]:
    """Return what reads one of some words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return parse
