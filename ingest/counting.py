"""Counts the elements of a body without creating objects for them.

A JSON decoder creates an object for each element, so that 4 MiB of `[1,1,1,…]` would take 170 MB (measured) only to be
refused. Bodies with that many commas, which are very rare, are counted first.
"""

import re
from collections.abc import Generator
from typing import Final

# Three times what events of 1 KiB with forty fields have; so many elements take 16 MB.
COMMAS_PER_EVENT: Final = 50

_TOKENS_A_STEP: Final = 20_000  # 10 ms
_STEP_COST: Final = 100  # events

# Everything up to the next comma or bracket outside a string; possessive, so that the time is linear.
_PLAIN = rb'[^"\[\]{},]*+'
_SKIP = re.compile(_PLAIN + rb'(?:"(?:[^"\\]++|\\.)*+"?' + _PLAIN + rb")*+", re.DOTALL).match

_IN_LIST: Final = 1  # the level of the elements of a body that is a list
_IN_OBJECT: Final = 2  # and of one that is an object of lists


def is_dense(body: bytes, most: int) -> bool:
    """Whether a body may have so many elements that it is to be counted before it is read."""
    commas = COMMAS_PER_EVENT * most
    return len(body) > commas and body.count(b",") > commas  # nearly every body is too short: no need to count


def has_more(body: bytes, most: int) -> Generator[int, None, bool]:
    """Return whether a list that is a body, or is a field of it, has more elements than that.

    Yields what the next step costs, in events. Of what is no JSON any answer is right.
    """
    at = depth = level = elements = tokens = 0
    in_list = False
    while (at := _skipped(body, at)) < len(body):
        token = body[at : at + 1]
        at += 1
        if token == b",":
            elements += depth == level and in_list
            if elements >= most:
                return True
        elif token in b"[{":
            level = level or (_IN_LIST if token == b"[" else _IN_OBJECT)
            depth += 1
            if depth == level:
                elements, in_list = 0, token == b"["
        else:
            depth -= 1
        tokens += 1
        if tokens % _TOKENS_A_STEP == 0:
            yield _STEP_COST
    return False


def _skipped(body: bytes, at: int) -> int:
    found = _SKIP(body, at)
    return found.end() if found else at
