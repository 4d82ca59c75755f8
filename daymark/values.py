"""How the text of a setting is read: each function returns a value or raises ValueError with what is wanted."""

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

_SECRET_CHARACTERS = 16


class Address(NamedTuple):
    """Where to listen; port 0 is any free one."""

    host: str
    port: int


def text(text: str) -> str:
    """Any text."""
    return text


def brokers(text: str) -> str:
    """host:port, with commas between."""
    for broker in text.split(","):
        address(broker.strip())
    return text


def address(text: str) -> Address:
    """host:port; an IPv6 host in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004  the highest port
        raise ValueError(f"{text!r} is not host:port")
    return Address(host.strip("[]"), int(port))


def redis(text: str) -> str:
    """A URL of a Redis, or of a cluster of them."""
    schemes = ("redis", "rediss", "unix", "redis+cluster")
    if urlsplit(text).scheme not in schemes:
        raise ValueError(f"a URL is wanted that begins with {', '.join(f'{scheme}://' for scheme in schemes)}")
    return text


def registry(text: str) -> str:
    """A URL of a schema registry."""
    if urlsplit(text).scheme not in {"http", "https"}:
        raise ValueError("an http:// or https:// URL is wanted")
    return text.rstrip("/")


def origins(text: str) -> tuple[str, ...]:
    """Words, with commas between."""
    return tuple(origin.strip() for origin in text.split(",") if origin.strip())


def secret(text: str) -> bytes:
    """A secret that is long enough to be one."""
    if len(text) < _SECRET_CHARACTERS:
        raise ValueError(f"at least {_SECRET_CHARACTERS} characters are wanted; `openssl rand -hex 32` makes some")
    return text.encode()


def number(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number within bounds."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """Return what reads one of some words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text

    return parse
