"""Quantities as people write and read them: 50M, 200k/s, 1.9 TB. Pure."""

import re
from typing import Final

_FACTORS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_WRITTEN: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kKMG]?)(/s)?")
_STEPS: Final = ("", "k", "M", "G", "T", "P", "E")
_SIGNIFICANT: Final = 3
_PREFIX: Final = 1000


def count(text: str) -> int:
    """Return a whole number from 1, such as of 50M.

    Raises:
        ValueError: it is not one; the text says what is expected.
    """
    found = _number(text, may_be_rate=False)
    if found is None or found < 1 or found != int(found):
        raise ValueError(f"{text!r} is not a whole number from 1, such as 800, 50k, 1.5M or 2G")
    return int(found)


def rate(text: str) -> float:
    """Return a number a second above 0, such as of 200k/s.

    Raises:
        ValueError: it is not one; the text says what is expected.
    """
    found = _number(text, may_be_rate=True)
    if not found:
        raise ValueError(f"{text!r} is not a rate above 0 per second, such as 500, 2.5k/s or 200k/s")
    return found


def shown(value: float, unit: str = "") -> str:
    """Return a quantity with three significant digits and a decimal prefix, rounded up: 1.91 TB."""
    step = 0
    while True:
        digits = max(0, _SIGNIFICANT - len(str(int(value))))
        grown = -(-value * 10**digits // 1) / 10**digits
        if grown < _PREFIX or step == len(_STEPS) - 1:
            return f"{grown:.{digits}f} {_STEPS[step]}{unit}".strip()
        value, step = value / _PREFIX, step + 1


def _number(text: str, *, may_be_rate: bool) -> float | None:
    match = _WRITTEN.fullmatch(text.strip())
    if match is None or (match[3] and not may_be_rate):
        return None
    return float(match[1]) * _FACTORS[match[2].replace("K", "k")]
