"""DAYMARK_REDIS: the URL of a Redis or Valkey server, or of a cluster, as people write it.

Errors are reported in one line that quotes no part of the URL, which may contain a password.
"""

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from daymark import urls
from daymark.urls import Host, Url

_PORT: Final = 6379
_SCHEMES: Final = ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")
_BOOLEANS: Final = {"true": "true", "1": "true", "yes": "true", "false": "false", "0": "false", "no": "false"}
_CHECKS: Final = {"none": "none", "optional": "optional", "required": "required"}


def parse(text: str) -> str:
    """A URL of a Redis, or of a cluster of them; return it in one spelling, everything in it encoded that has to be.

    Raises:
        ValueError: it is none.
    """
    url = urls.split(text)
    if url.scheme not in _SCHEMES:
        raise ValueError(f"expected a URL that begins with {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
    options = _options(url.options)
    url = url._replace(user=options.pop("username", url.user), password=options.pop("password", url.password))
    if url.scheme == "unix":
        return _unix(url, options)
    url = _with_tls(url, options)
    _check_tls(url, options)
    database = _database(url, options)
    if url.scheme.endswith("+cluster"):
        if database:
            raise ValueError("a cluster has only database 0")
    elif len(url.hosts) > 1:
        raise ValueError(
            "several hosts are only possible with a cluster: begin the URL with redis+cluster:// or rediss+cluster://"
        )
    hosts = tuple(Host(host.name, host.port or _PORT) for host in url.hosts or (Host("localhost", None),))
    path = f"/{database}" if database else ""
    return url._replace(hosts=hosts, path=path, options=tuple(options.items())).text()


def missing_files(url: str) -> list[str]:
    """Return the options of a URL, as `parse` returned it, that name a file or folder which is not there."""
    return [name for name, value in urls.split(url).options if _OPTIONS.get(name) is _path and not Path(value).exists()]


def _unix(url: Url, options: dict[str, str]) -> str:
    if url.hosts or not url.path.strip("/"):
        raise ValueError("expected unix:///path/to/the/socket")
    if any(name.startswith("ssl") for name in options):
        raise ValueError("TLS options do not apply to a Unix socket")
    return url._replace(options=tuple(options.items())).text()


def _with_tls(url: Url, options: dict[str, str]) -> Url:
    """Let the option ssl say what the scheme says."""
    given, encrypted = options.pop("ssl", None), url.scheme.startswith("rediss")
    if given == "false" and encrypted:
        raise ValueError("rediss means TLS, but ssl is false: remove one of them")
    if given == "true" and not encrypted:
        return url._replace(scheme=url.scheme.replace("redis", "rediss", 1))
    return url


def _check_tls(url: Url, options: Mapping[str, str]) -> None:
    given = [name for name in options if name.startswith("ssl")]
    if not url.scheme.startswith("rediss"):
        if given:
            raise ValueError(f"{given[0]} is a TLS option: begin the URL with rediss:// or rediss+cluster://")
        return
    if ("ssl_certfile" in options) != ("ssl_keyfile" in options):
        raise ValueError("ssl_certfile and ssl_keyfile must be given together")
    unchecked = options.get("ssl_cert_reqs") in {"none", "optional"} or options.get("ssl_check_hostname") == "false"
    if not unchecked and not options.keys() & {"ssl_ca_certs", "ssl_ca_path"} and any(map(_is_loopback, url.hosts)):
        raise ValueError(
            "no public CA issues certificates for a loopback address: add ssl_ca_certs=PATH, "
            "or ssl_check_hostname=false if it is a tunnel to the certificate's host"
        )


def _is_loopback(host: Host) -> bool:
    try:
        return ipaddress.ip_address(host.name).is_loopback
    except ValueError:
        return host.name == "localhost"


def _database(url: Url, options: dict[str, str]) -> int:
    text = url.path.strip("/")
    given = options.pop("db", None)
    if given is not None and text:
        raise ValueError("the database is given twice, in the path and as the option db")
    return int(_number(given or text or "0"))


def _number(text: str) -> str:
    if not (text.isascii() and text.isdecimal() and len(text) <= len("65535")):
        raise ValueError("the database, after the host's /, is not a number")
    return text


def _word(words: Mapping[str, str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        word = words.get(text.lower().removeprefix("cert_"))
        if word is None:
            raise ValueError(f"expected one of {', '.join(words)}")
        return word

    return read


def _path(text: str) -> str:
    if not text:
        raise ValueError("expected a path")
    return text


_OPTIONS: Final[Mapping[str, Callable[[str], str]]] = {
    "db": _number,
    "username": str,
    "password": str,
    "ssl": _word(_BOOLEANS),
    "ssl_ca_certs": _path,
    "ssl_ca_path": _path,
    "ssl_cert_reqs": _word(_CHECKS),
    "ssl_certfile": _path,
    "ssl_check_hostname": _word(_BOOLEANS),
    "ssl_keyfile": _path,
}


def _options(given: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the options, read. The name of an unknown one is not shown: it may be what follows a ? in a password."""
    found: dict[str, str] = {}
    for name, text in given:
        read = _OPTIONS.get(name)
        if read is None:
            raise ValueError(f"unknown option; known are {', '.join(_OPTIONS)}")
        if name in found:
            raise ValueError(f"{name} is given twice")
        try:
            found[name] = read(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found
