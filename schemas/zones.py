"""Time zones from the tz database that is locked with the program, never from the machine's (contract, section 4).

Python's `ZoneInfo(name)` reads the system's files first, or those of PYTHONTZPATH, so two machines may disagree about a
day. Here zones are read only from the package tzdata, each once, whatever else the process does with `zoneinfo`.
"""

from functools import cache
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]  # data, with one module

UTC: Final = "UTC"


class UnknownZone(ValueError):
    """A name that is none of a time zone in the locked database."""


class Zone(ZoneInfo):
    """A time zone of the locked database. Pickled by its name, so that another process reads the same database."""

    def __reduce__(self) -> Any:
        return find, (self.key,)


def find(name: str) -> Zone | None:
    """Return the time zone of a name like "Europe/Berlin", None for UTC.

    Raises:
        UnknownZone: the database has no zone of this name.
    """
    return None if name == UTC else _zone(name)


def version() -> str:
    """Return the version of the tz database by which days are judged, as IANA calls it: "2026f"."""
    return str(tzdata.IANA_VERSION)


@cache
def _names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@cache
def _zone(name: str) -> Zone:
    if name not in _names():
        raise UnknownZone(name)
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return Zone.from_file(data, key=name)
