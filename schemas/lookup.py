"""Where an event's fields are looked up: at each location in turn, under any spelling of the key (contract, section 3).

Keys match case-insensitively, ignoring "_", "-" and spaces; the exact spelling takes precedence, then the others in
document order.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

Path = tuple[str, ...]

_USUAL_KEY = 40  # characters
_SEPARATORS = str.maketrans("", "", "_- ")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def present(event: object, places: tuple[Path, ...]) -> Iterator[object]:
    """Yield the values at any of the places, the preferred one first; null is skipped."""
    for path in places:
        for value in at(event, path):
            if value is not None:
                yield value


def at(value: object, path: Path) -> Iterator[object]:
    """Yield the values at a place, including null; several spellings of its keys are several values."""
    if not path:
        yield value
    elif isinstance(value, dict):
        for found in _spelled(value, path[0]):
            yield from at(found, path[1:])


def squash(key: str) -> str:
    """Normalise the spelling of a key."""
    return _squash_usual(key) if len(key) <= _USUAL_KEY else key.lower().translate(_SEPARATORS)


def tidy(text: str) -> str:
    """Return a text that can be written: each lone surrogate has become U+FFFD."""
    return _LONE_SURROGATE.sub("\ufffd", text)


@lru_cache(4096)
def _squash_usual(key: str) -> str:
    # The same keys come again and again; long ones could fill the cache with what one sender likes.
    return key.lower().translate(_SEPARATORS)


def _spelled(container: dict[str, object], key: str) -> Iterator[object]:
    if key in container:
        yield container[key]
    squashed = squash(key)
    for name, value in container.items():
        if name != key and squash(name) == squashed:
            yield value
