"""The text of a workspaces file -> its tables, section by section, so that a large file is read quickly.

A section extends from one `[workspaces.NAME]` to the next. `tomllib` takes twice as long for a file of 100,000 sections
as for the sections one by one, and many times as long as this module for sections of plain lines. Invariant: the
tables, and the errors, are those of `tomllib` for the whole text. After only complete sections the text is at the top
level, so no section can begin within a string or a list of another.
"""

import re
import tomllib
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import msgspec

Tables = dict[str, Any]

SECTIONS_A_STEP: Final = 100  # 3 ms for Python's reader

_COMMENT = r"[ \t]*(?:#[^\x00-\x08\x0a-\x1f\x7f]*)?"
_STRING = r'"[^"\\\x00-\x1f\x7f]*"'
_NUMBER = r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?"
_VALUE = rf"{_STRING}|{_NUMBER}|\[[ \t]*(?:{_STRING}(?:[ \t]*,[ \t]*{_STRING})*[ \t]*)?\]"  # JSON, too
_NAME = r"[A-Za-z0-9_-]+"

_START = re.compile(rf"^\[workspaces\.({_NAME})\][ \t]*(?:#.*)?$", re.MULTILINE)
_HEADER = rf"\[workspaces\.{_NAME}\]{_COMMENT}\n"
_PAIR = rf"[ \t]*{_NAME}[ \t]*=[ \t]*(?:{_VALUE}){_COMMENT}\n"
# Possessive, and without groups: Python 3.11 raises SystemError over groups within a possessive repetition.
_PLAIN = re.compile(rf"(?:{_HEADER}|{_PAIR}|{_COMMENT}\n)*+")
_LINES = re.compile(rf"^(?:{_HEADER}|[ \t]*({_NAME})[ \t]*=[ \t]*({_VALUE}){_COMMENT}\n)", re.MULTILINE)
_decode = msgspec.json.Decoder(list[Tables]).decode
_BLANK = re.compile(rf"(?:{_COMMENT}\n)*+(?:{_COMMENT})?")
_MARK: Final = ""  # a key that stands in every plain section once it is JSON, so that a comma goes before each other


class Sections:
    """A text taken apart.

    Attributes:
        head: the text before the first section.
        names: of the workspaces, in order.
        texts: of their sections. Head and texts put together are the whole text.
    """

    def __init__(self, text: str) -> None:
        found = list(_START.finditer(text))
        edges = [*(start.start() for start in found), len(text)]
        self.head = text[: edges[0]]
        self.names = [start[1] for start in found]
        self.texts = [text[start:end] for start, end in pairwise(edges)]


def are_all(text: str) -> bool:
    """Whether a file says nothing but in its sections, one for each workspace, so that each can be changed alone."""
    return _by_section(text, lambda: None) is not None


def tables(text: str, pause: Callable[[], None]) -> Tables:
    """Return a file's tables: those of its workspaces, by name, under "workspaces".

    Args:
        text: of the file.
        pause: called after each step of the reading, which takes some milliseconds.

    Raises:
        ValueError, RecursionError: it is not TOML.
    """
    found = _by_section(text, pause)
    return tomllib.loads(text) if found is None else {"workspaces": found}


def _by_section(text: str, pause: Callable[[], None]) -> Tables | None:
    """Return the tables of a text that has nothing but sections, one for each name; None: it has to be read whole."""
    parts, found = Sections(text), Tables()
    if not parts.texts or _BLANK.fullmatch(parts.head) is None:
        return None
    for start in range(0, len(parts.texts), SECTIONS_A_STEP):
        names, texts = (each[start : start + SECTIONS_A_STEP] for each in (parts.names, parts.texts))
        some = _plain("".join(texts)) or list(map(_table, names, texts))
        if None in some:
            return None
        found.update(zip(names, some, strict=True))
        pause()
    return found if len(found) == len(parts.texts) else None


def _plain(text: str) -> list[Any] | None:
    """Return the tables of sections that have nothing but plain lines, as JSON that the lines are made into."""
    text = text if text.endswith("\n") else text + "\n"
    if _PLAIN.fullmatch(text) is None:
        return None
    lines = _LINES.findall(text)
    items = [f',"{key}":{value}' if key else f'}},{{"{_MARK}":0' for key, value in lines]
    found = _decode(f"[{''.join(items)[2:]}}}]")
    for table in found:
        del table[_MARK]
    return found if len(found) + sum(map(len, found)) == len(lines) else None  # a duplicate key is a fault


def _table(name: str, section: str) -> Any:
    """Return a section's table; None: it is not valid on its own, or also affects other sections."""
    try:
        read = tomllib.loads(section)
    except (ValueError, RecursionError):
        return None
    named = read.get("workspaces", {})
    return named[name] if len(read) == len(named) == 1 and "[workspaces]" not in section else None
