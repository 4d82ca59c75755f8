"""Removes the API key that some SDKs write into a body, before anything is published (contract, sections 2 and 6).

`without_key` cuts it out of an event, whose other bytes stay as received. `masked` blanks it in a body that could not
be parsed. Pure; nothing here knows which keys exist.
"""

import json
import re
from itertools import pairwise
from typing import Final, NoReturn

from schemas.lookup import squash

KEY: Final = squash("writeKey")

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{}\],]', re.DOTALL)  # a string whole; possessive, so linear
_NAME = re.compile(rb'\s*("(?:[^"\\]++|\\.)*+")\s*:', re.DOTALL)

_LOWER: Final = bytes(range(256)).lower()
_SEPARATORS: Final = b"_- "
_KELVIN: Final = "\u212a".encode()  # "k" in lower case


def _spelled(letter: str) -> str:
    code = f"{ord(letter.upper()):02x}", f"{ord(letter):02x}"
    return rf"(?:{letter}|\\u00(?:{code[0]}|{code[1]}))"


# The name with a value, in text that need not be JSON: other quotation marks or none, "=" for ":" as in a form.
_BETWEEN = r"(?:[_\- ]|\\u00(?:5f|2d|20))*+"
_ANYWHERE = re.compile(
    rf"({_BETWEEN.join(map(_spelled, KEY))}{_BETWEEN}[\"']?\s*+[:=][\s\[]*+)"
    r"(?:\"(?:[^\"\\]++|\\.)*+\"?|'[^']*+'?|[^\s,;&\]}]++)".encode(),
    re.IGNORECASE | re.DOTALL,
)


def without_key(event: bytes) -> bytes:
    """Return an event without the API key among its own fields, however its name is spelled.

    Nested objects are not looked into. What is no JSON object is returned as it is, and what is malformed stays so.
    """
    if not _may_bear(event):
        return event
    edges = _edges(event)
    members = [event[start + 1 : end] for start, end in pairwise(edges)]
    kept = [member for member in members if not _is_key(member)]
    if len(kept) == len(members) or not all(map(bytes.strip, members)):  # a comma too many
        return event
    return event[: edges[0] + 1] + b",".join(kept) + event[edges[-1] :]


def masked(body: bytes) -> bytes:
    """Return a body that cannot be parsed with the value of every API key in it emptied, at any depth.

    It may be no JSON, or end anywhere.
    """
    return _ANYWHERE.sub(rb'\1""', body) if _may_bear(body) else body


def _may_bear(body: bytes) -> bool:
    """Whether a body can hold the name of the key at all; a letter of it may be escaped, or be a sign for Kelvin."""
    return KEY.encode() in body.translate(_LOWER, _SEPARATORS) or b"\\u" in body or _KELVIN in body


def _edges(event: bytes) -> list[int]:
    """Return the places of an object's brackets and of the commas between its members; empty for no object."""
    edges: list[int] = []
    depth = 0
    for token in _TOKEN.finditer(event):
        at = token.start()
        match event[at : at + 1]:
            case b"{" | b"[" as bracket:
                if depth == 0:
                    if bracket == b"[" or event[:at].strip():
                        return []
                    edges.append(at)
                depth += 1
            case b"}" | b"]":
                depth -= 1
                if depth <= 0:
                    return [*edges, at]
            case b"," if depth == 1:
                edges.append(at)
    return []


def _is_key(member: bytes) -> bool:
    """Whether the bytes between two commas of an object are a sound member, and the key."""
    name = _NAME.match(member)
    if name is None or not _may_bear(name[1]):
        return False
    try:
        found = _JSON.decode(f"{{{member.decode()}}}")
    except (ValueError, RecursionError):
        return False
    return list(map(squash, found)) == [KEY]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_JSON = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)
