"""The settings of a workspace, and the file that defines them (contract, sections 3, 4 and 9). Parses text only."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from schemas import format as formats
from schemas import sections, zones
from schemas.faults import Faults
from schemas.format import Format, FormatFaults
from schemas.lookup import squash
from schemas.signature import Secret
from schemas.zones import UnknownZone

DEFAULT: Final = "default"  # the workspace of a raw record that names none
STANDARD_MESSAGE: Final = "Contact visited your website"
MOST_KEYS: Final = 2  # so that keys can be rotated
MOST_SECRETS: Final = 2  # likewise
NAME_LIMIT_BYTES: Final = 400  # of the header that names a workspace: 100 characters, of four bytes at most

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KEY = re.compile(r"sha256:([0-9a-f]{64})")
_SECRET = re.compile(r"\S(?:[^\x00-\x1f\x7f]{0,998}\S)?")  # as Segment takes it, without white space around it
_TEXT_LIMIT = 1000
_MOST_AUDIENCES, _NAME_LIMIT = 100, 200
_LEAST_RATE, _MOST_RATE = 0.001, 1_000_000_000  # events a second


class WorkspaceFaults(Faults):
    """What is wrong with a workspaces file."""


class Workspace(msgspec.Struct, frozen=True):
    """One workspace.

    `keys` are SHA-256 digests of its API keys; a `zone` of None is UTC. `format` says where fields of its events are,
    `audiences` which boolean properties of plain identifies are memberships. `rate_per_second`: events; None: no limit.
    `is_signed`: whether its requests must be signed, with one of the `secrets`.
    """

    name: str
    keys: tuple[bytes, ...] = ()
    time_zone: str = "UTC"
    standard_message: str = STANDARD_MESSAGE
    zone: ZoneInfo | None = None
    format: Format | None = None
    audiences: tuple[str, ...] = ()
    rate_per_second: float | None = None
    is_signed: bool = False
    secrets: tuple[Secret, ...] = ()


PLAIN: Final = Workspace(DEFAULT)  # every setting at its default


class Workspaces(msgspec.Struct, frozen=True):
    """All workspaces of a file, by name and by the digests of their keys."""

    by_name: Mapping[str, Workspace] = {}
    by_digest: Mapping[bytes, str] = {}

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def get(self, name: str) -> Workspace:
        """Return a workspace; one that is not in the file has default settings."""
        return self.by_name.get(name) or Workspace(name)


def digest(key: str) -> bytes:
    """Return what is kept of an API key, 32 bytes. Keys are random and long, so a fast hash is enough."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def parse(
    text: str, pause: Callable[[], None] = lambda: None, read_secret: Callable[[str], str] | None = None
) -> Workspaces:
    """Read a workspaces file's text.

    Args:
        text: of the file.
        pause: called every few milliseconds, so that others can work while a large file is read.
        read_secret: returns the text of a file that is named by `secret_file`, or raises OSError or ValueError; None:
            no signature will be checked, and those files are not read.

    Raises:
        WorkspaceFaults: it is not TOML, or has invalid settings; with all faults at once.
    """
    try:
        tables = sections.tables(text, pause)
    except (ValueError, RecursionError) as error:  # ValueError: not TOML, or a number beyond Python's limit of digits
        raise WorkspaceFaults([f"not TOML: {error}"]) from None
    faults = [f"{name}: unknown; only [workspaces.NAME] tables are read" for name in tables if name != "workspaces"]
    found = tables.get("workspaces", {})
    if not isinstance(found, dict):
        raise WorkspaceFaults([*faults, "workspaces: not a table"])
    workspaces = [_workspace(name, table, read_secret, faults) for name, table in _paused(found, pause)]
    by_digest = _by_digest(workspaces, faults)
    if faults:
        raise WorkspaceFaults(faults)
    return Workspaces({workspace.name: workspace for workspace in workspaces}, by_digest)


def _paused(found: Mapping[str, Any], pause: Callable[[], None]) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(found.items()):
        if number % sections.SECTIONS_A_STEP == 0:
            pause()
        yield item


def _workspace(name: str, table: Any, read_secret: Callable[[str], str] | None, faults: list[str]) -> Workspace:
    place = f"workspaces.{name}"
    if _NAME.fullmatch(name) is None:
        faults.append(
            f"{place}: a name has 1 to 100 letters, digits, '.', '_' or '-', and begins with a letter or digit"
        )
    if not isinstance(table, dict):
        faults.append(f"{place}: not a table")
        return Workspace(name)
    if not table.keys() <= _SETTINGS.keys():
        known = ", ".join(_SETTINGS)
        faults.extend(f"{place}.{setting}: unknown; known are {known}" for setting in table if setting not in _SETTINGS)
    given = {setting: read(place, table[setting], faults) for setting, read in _SETTINGS.items() if setting in table}
    path, texts = given.pop("secret_file", ""), given.pop("secret", ())
    if path and texts:
        faults.append(f"{place}: has secret and secret_file; keep one of them")
    if path and read_secret is not None:
        texts = _secrets_of_file(place, path, read_secret, faults)
    zone = _zone(place, table.get("time_zone", "UTC"), faults)
    return Workspace(name, zone=zone, is_signed=bool(path or texts), secrets=tuple(map(Secret, texts)), **given)


def _keys(place: str, texts: Any, faults: list[str]) -> tuple[bytes, ...]:
    if not isinstance(texts, list) or len(texts) > MOST_KEYS:
        faults.append(f"{place}.keys: must be a list of at most {MOST_KEYS} digests")
        return ()
    matches = [_KEY.fullmatch(text) if isinstance(text, str) else None for text in texts]
    if None in matches:
        faults.append(f'{place}.keys: must be "sha256:" and 64 hexadecimal digits; `daymark keys new` generates them')
    return tuple(bytes.fromhex(match[1]) for match in matches if match)


def _zone(place: str, name: Any, faults: list[str]) -> ZoneInfo | None:
    try:
        return zones.find(str(name))
    except UnknownZone:
        faults.append(f"{place}.time_zone: no such time zone; expected a name such as Europe/Berlin")
        return None


def _message(place: str, text: Any, faults: list[str]) -> str:
    if isinstance(text, str) and text.strip() and len(text) <= _TEXT_LIMIT:
        return text
    faults.append(f"{place}.standard_message: must be text of 1 to {_TEXT_LIMIT} characters")
    return STANDARD_MESSAGE


def _format(place: str, table: Any, faults: list[str]) -> Format | None:
    if not isinstance(table, dict):
        faults.append(f"{place}.format: not a table")
        return None
    try:
        return formats.compiled(table) if table else None
    except FormatFaults as error:
        faults.extend(f"{place}.format.{fault}" for fault in error.faults)
        return None


def _audiences(place: str, names: Any, faults: list[str]) -> tuple[str, ...]:
    if not isinstance(names, list) or len(names) > _MOST_AUDIENCES:
        faults.append(f"{place}.audiences: must be a list of at most {_MOST_AUDIENCES} names")
        return ()
    if not all(isinstance(name, str) and name.strip() and len(name) <= _NAME_LIMIT for name in names):
        faults.append(f"{place}.audiences: names must have 1 to {_NAME_LIMIT} characters")
        return ()
    if len({squash(name) for name in names}) < len(names):
        faults.append(f"{place}.audiences: duplicate name; letter case, '_', '-' and spaces are ignored")
    return tuple(names)


def _rate(place: str, rate: Any, faults: list[str]) -> float | None:
    if rate is None:
        return None
    if isinstance(rate, int | float) and not isinstance(rate, bool) and _LEAST_RATE <= rate <= _MOST_RATE:
        return float(rate)
    faults.append(f"{place}.rate_per_second: must be a number from {_LEAST_RATE} to {_MOST_RATE}, in events per second")
    return None


def _secrets(place: str, given: Any, faults: list[str]) -> tuple[str, ...]:
    """Return one secret or two, so that they can be rotated."""
    texts = given if isinstance(given, list) else [given]
    if 1 <= len(texts) <= MOST_SECRETS and all(isinstance(text, str) and _SECRET.fullmatch(text) for text in texts):
        return tuple(texts)
    faults.append(f"{place}.secret: must be text of 1 to 1000 characters without white space around it, or two of them")
    return ()


def _secrets_of_file(place: str, path: str, read_secret: Callable[[str], str], faults: list[str]) -> tuple[str, ...]:
    """Return the secrets in a file, a line each."""
    try:
        return _secrets(place, read_secret(path).splitlines(), faults)
    except (OSError, ValueError) as error:
        faults.append(f"{place}.secret_file: {path} cannot be read: {error}")
        return ()


def _path(place: str, path: Any, faults: list[str]) -> str:
    if isinstance(path, str) and path:
        return path
    faults.append(f"{place}.secret_file: must be the path of a file")
    return ""


def _by_digest(workspaces: list[Workspace], faults: list[str]) -> dict[bytes, str]:
    by_digest: dict[bytes, str] = {}
    for workspace in workspaces:
        for key in workspace.keys:
            other = by_digest.setdefault(key, workspace.name)
            if other != workspace.name:
                faults.append(f"workspaces.{workspace.name}.keys: also a key of {other}; a key names one workspace")
    return by_digest


_SETTINGS: Final[dict[str, Callable[[str, Any, list[str]], Any]]] = {
    "keys": _keys,
    "time_zone": lambda _place, name, _faults: str(name),
    "standard_message": _message,
    "rate_per_second": _rate,
    "audiences": _audiences,
    "format": _format,
    "secret": _secrets,
    "secret_file": _path,
}
