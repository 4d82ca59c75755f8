"""Locates the fault of a rejected event: marks the lines of its text that the reason refers to. Pure.

The marks follow the locations in the contract (section 3); where a workspace's format replaces them, the expression is
named instead.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from schemas import tolerant
from schemas.lookup import Path, squash
from schemas.rejections import Reason
from schemas.workspace import Workspace

MARK, _PLAIN = "> ", "  "  # before each line
_AROUND: Final = 60  # characters shown before a fault

_PLACES: Final[dict[str, tuple[str, tuple[Path, ...]]]] = {
    Reason.MISSING_EMAIL: ("email", tolerant.EMAIL),
    Reason.INVALID_EMAIL: ("email", tolerant.EMAIL),
    Reason.MISSING_TIMESTAMP: ("timestamp", tolerant.TIMESTAMP + tolerant.ORIGINAL_TIMESTAMP),
    Reason.INVALID_TIMESTAMP: ("timestamp", tolerant.TIMESTAMP + tolerant.ORIGINAL_TIMESTAMP),
    Reason.TIMESTAMP_IN_FUTURE: ("timestamp", tolerant.TIMESTAMP + tolerant.ORIGINAL_TIMESTAMP),
    Reason.UNSUPPORTED_TYPE: ("type", tolerant.TYPE),
}


class Marked(NamedTuple):
    """An event's text with marks, their meaning, and the marked paths."""

    lines: tuple[str, ...]
    note: str
    places: tuple[str, ...] = ()


def mark(raw: bytes, reason: str, workspace: Workspace) -> Marked:
    """Return an event's text with its fault marked.

    Args:
        raw: the event as it was kept.
        reason: for which it was rejected.
        workspace: of the event, as it is now.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        shown = raw[max(0, error.start - _AROUND) :].decode(errors="replace")
        before = raw[max(0, error.start - _AROUND) : error.start].decode(errors="replace")
        return _pointed(shown, len(before), f"byte {error.start} of {len(raw)} is not UTF-8")
    try:
        event = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        start = max(0, error.pos - _AROUND)
        return _pointed(text[start:], error.pos - start, f"not JSON at character {error.pos}: {error.msg}")
    except (ValueError, RecursionError) as error:
        return _pointed(text, 0, f"not JSON: {error}")
    if not isinstance(event, dict):
        return _pointed(text, 0, "JSON, but not an object")
    return _by_place(event, reason, workspace, len(raw))


def _by_place(event: dict[str, Any], reason: str, workspace: Workspace, size: int) -> Marked:
    field, places = _PLACES.get(reason, ("", ()))
    if workspace.format is not None and workspace.format.replaces(field):
        note = f"the format of workspace {workspace.name} says that {field} is {workspace.format.texts[field]}"
        return Marked(tuple(_PLAIN + line for _, line in _lines(event)), note)
    wanted = {tuple(map(squash, place)) for place in places}
    lines = [(path, line, tuple(map(squash, path)) in wanted) for path, line in _lines(event)]
    marked = tuple(".".join(path) for path, _, is_marked in lines if is_marked)
    looked = ", ".join(".".join(place) for place in places)
    if marked:
        note = f"see {', '.join(marked)}"
    else:
        note = f"nothing at {looked}" if looked else f"{size:,} bytes; the fault is not at one place in the event"
    return Marked(tuple((MARK if is_marked else _PLAIN) + line for _, line, is_marked in lines), note, marked)


def _lines(value: Any, path: Path = (), name: str = "", end: str = "") -> Iterator[tuple[Path, str]]:
    """Yield the lines of an indented JSON text, each with the path of the value that begins there."""
    indent = "  " * len(path)
    if isinstance(value, dict) and value:
        yield path, f"{indent}{name}{{"
        last = len(value) - 1
        for number, (key, each) in enumerate(value.items()):
            named = f"{json.dumps(key, ensure_ascii=False)}: "
            yield from _lines(each, (*path, key), named, "" if number == last else ",")
        yield (), f"{indent}}}{end}"
    else:
        yield path, f"{indent}{name}{json.dumps(value, ensure_ascii=False)}{end}"


def _pointed(text: str, at: int, note: str) -> Marked:
    """Return a text cut to one line, and a mark under the character at fault."""
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[: at + _AROUND])
    return Marked((_PLAIN + shown, MARK + " " * at + "^"), note)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
