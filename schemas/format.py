"""A workspace's custom format: JMESPath expressions that say where some fields are (contract, section 3).

Pure and total: any event and any format give an answer, the same one in ingest, in the processor and in a replay.
"""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Context
from typing import Any, Final

from schemas.expression import BadExpression, Expression, NoAnswer
from schemas.faults import Faults
from schemas.timestamps import Number

FIELDS: Final = ("email", "timestamp", "url", "event")

_MOST_DIGITS = 18  # of an integer that stays one

# What a double holds of any number, truncated, never rounded: rounding can move the day. No number is too large.
_DOUBLE = Context(prec=15, rounding=ROUND_DOWN, traps=[])


class FormatFaults(Faults):
    """What is wrong with a format; each line begins with the field."""


class Format:
    """The expressions of a workspace, by field. Made by `compiled`."""

    __slots__ = ("_expressions", "_latest", "texts")

    def __init__(self, texts: Mapping[str, str], expressions: Mapping[str, Expression]) -> None:
        self.texts: Final = texts
        self._expressions = expressions
        self._latest: tuple[object, object] = (None, None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and other.texts == self.texts

    def __hash__(self) -> int:
        return hash(tuple(self.texts.items()))

    def __repr__(self) -> str:
        return f"Format({self.texts!r})"

    def replaces(self, field: str) -> bool:
        """Whether the format says where a field is."""
        return field in self._expressions

    def find(self, field: str, document: dict[str, object]) -> object:
        """Return what the expression of a field finds in an event, None for nothing.

        Args:
            field: one that the format replaces.
            document: the event as `tolerant` decodes it. It must not change: its plain form serves the next field.

        Returns:
            Any JSON value, numbers as int or float. Where the expression cannot be evaluated, one that no field takes.
        """
        try:
            return self._expressions[field].search(self._plain(document))
        except (NoAnswer, RecursionError):
            return {}

    def _plain(self, document: dict[str, object]) -> object:
        if self._latest[0] is not document:
            self._latest = (document, _plain(document))
        return self._latest[1]


def compiled(table: Mapping[str, Any]) -> Format:
    """Return the format that a table of expressions gives.

    Raises:
        FormatFaults: an unknown field, or an expression that cannot be used; with every fault at once.
    """
    faults, expressions = [], {}
    for field, text in table.items():
        if field not in FIELDS:
            faults.append(f"{field}: unknown; a format gives {', '.join(FIELDS)}")
        elif not isinstance(text, str):
            faults.append(f"{field}: must be a JMESPath expression, as text")
        else:
            try:
                expressions[field] = Expression(text)
            except BadExpression as error:
                faults.append(f"{field}: {error}")
    if faults:
        raise FormatFaults(faults)
    return Format({field: str(table[field]) for field in expressions}, expressions)


def _plain(value: object) -> object:
    """Return a JSON value with numbers as JMESPath knows them."""
    if isinstance(value, dict):
        return {name: _plain(of) for name, of in value.items()}
    if isinstance(value, list):
        return [_plain(of) for of in value]
    return _number(value) if isinstance(value, Number) else value


def _number(number: Number) -> int | float:
    if len(number) <= _MOST_DIGITS and number.removeprefix("-").isdigit():
        return int(number)
    return float(_DOUBLE.create_decimal(number))
