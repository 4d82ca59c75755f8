"""Random orders: a shuffle of any length in little memory, and a random choice among waiting items.

For the shuffle, a number below `count` is taken as a cell of a grid of about sqrt(count) rows and columns; each round
shifts the row by an amount that depends on the column, then the column by one that depends on the row. Every round can
be undone, so the whole is a permutation (a Feistel network over a grid: Black and Rogaway, "Ciphers with Arbitrary
Finite Domains").

Invariant: every number below `count` occurs exactly once; the same seed gives the same order.
"""

import math
import random
from collections.abc import Iterator
from typing import TypeVar

_Waiting = TypeVar("_Waiting")

_ROUNDS = 3


def shuffled(count: int, seed: int) -> Iterator[int]:
    """Yield the numbers below `count` in an order that depends on the seed; memory grows with sqrt(count)."""
    rows = math.isqrt(count) + 1
    columns = count // rows + 1
    chance = random.Random(seed)  # noqa: S311  an order to be repeated, not a secret
    rounds = [
        ([chance.randrange(rows) for _ in range(columns)], [chance.randrange(columns) for _ in range(rows)])
        for _ in range(_ROUNDS)
    ]
    for position in range(rows * columns):
        row, column = divmod(position, columns)
        for down, along in rounds:
            row = (row + down[column]) % rows
            column = (column + along[row]) % columns
        number = row * columns + column
        if number < count:
            yield number


def take_any(waiting: list[_Waiting], chance: random.Random) -> _Waiting:
    """Remove and return a random item, in constant time."""
    place = chance.randrange(len(waiting))
    waiting[place], waiting[-1] = waiting[-1], waiting[place]
    return waiting.pop()
