"""A JMESPath expression with bounded cost: checked when it is compiled, total when it is evaluated. Pure.

JMESPath itself has no bounds. `[@, @] | [@, @] | …` doubles at every step, so an expression whose steps could copy
too much is refused when it is compiled. The rest are at most linear in the event, and evaluation stops after a number
of steps. Invariant: the same expression and event give the same result in every process.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import jmespath
from jmespath.exceptions import IncompleteExpressionError, LexerError, ParseError
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

MOST_CHARACTERS: Final = 500
MOST_WORK: Final = 100  # three places for an e-mail take 13
MOST_VISITS: Final = 10_000  # a list of 1,000 objects, filtered by a comparison, takes 5,000; about 10 ms

_LITERAL = 32  # characters of a literal that weigh as much as a look at the event

# How a node's children stand to each other: each begins where the last one ended, or all begin at the same place.
_CHAINS = {"subexpression", "index_expression", "pipe", "projection", "value_projection", "flatten", "key_val_pair"}
_EITHER = {"or_expression", "and_expression"}

_Node = Mapping[str, Any]


class BadExpression(ValueError):
    """An expression that cannot be used; the text says why, and where."""


class NoAnswer(Exception):
    """An expression cannot be evaluated on an event: a function was given a wrong type, or there are too many steps."""


class Expression:
    """An expression, ready to be used."""

    __slots__ = ("_interpreter", "_root")

    def __init__(self, text: str) -> None:
        """Compile an expression.

        Raises:
            BadExpression: it is no JMESPath, calls what is no function, or could take too much work.
        """
        self._root = _parsed(text)
        self._interpreter = _Interpreter()
        work = _cost(self._root).work
        if work > MOST_WORK:
            raise BadExpression(
                f"too much work: {work} steps, at most {MOST_WORK}; a step counts once for every copy of its input "
                "that the lists, objects and functions before it can make"
            )

    def search(self, document: object) -> Any:
        """Return what the expression finds in a JSON value, None for nothing.

        Raises:
            NoAnswer: it cannot be evaluated there.
        """
        try:
            return self._interpreter.run(self._root, document)
        except Exception as error:  # noqa: BLE001  JMESPath calls Python's own functions, on whatever a sender sends
            raise NoAnswer(str(error)) from None


class _Interpreter(TreeInterpreter):
    """JMESPath's own, with an end."""

    def run(self, root: Any, document: object) -> Any:
        self._left = MOST_VISITS
        return self.visit(root, document)

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise NoAnswer(f"over {MOST_VISITS} steps")
        return super().visit(node, *args, **kwargs)


def _parsed(text: str) -> _Node:
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise BadExpression(f"1 to {MOST_CHARACTERS} characters of JMESPath are required")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # `word` is deprecated for 'word'
            root: _Node = jmespath.compile(text).parsed
    except Warning:
        raise BadExpression("backticks enclose JSON; write text as 'text'") from None
    except IncompleteExpressionError:
        raise BadExpression("not JMESPath: unexpected end") from None
    except LexerError as error:
        raise BadExpression(f"not JMESPath at character {error.lexer_position + 1}: {error.message}") from None
    except ParseError as error:
        if not error.token_value:  # the end
            raise BadExpression("not JMESPath: unexpected end") from None
        raise BadExpression(f"not JMESPath at character {error.lex_position + 1}: {error.msg}") from None
    except (ValueError, LookupError, RecursionError) as error:
        raise BadExpression(f"not JMESPath: {error}") from None
    _check({"type": "pipe", "children": [root]})
    return root


def _check(node: _Node) -> None:
    """Find what JMESPath itself finds only when it is evaluated: the calls that can never succeed.

    An `&expression` is none of JSON's values. Anywhere but in a call that wants one, its address could get into text.
    """
    references = [False] * len(node["children"])
    if node["type"] == "function_expression":
        references = _references(node["value"], len(references))
    for child, is_reference in zip(node["children"], references, strict=True):
        if isinstance(child, dict):
            if is_reference and child["type"] != "expref":
                raise BadExpression(f"{node['value']}() requires an &expression")
            if child["type"] == "expref" and not is_reference:
                raise BadExpression("an &expression has no meaning outside map(), sort_by(), min_by() and max_by()")
            _check(child)


def _references(name: str, count: int) -> list[bool]:
    """Return for each argument of a function's call whether it is an `&expression`."""
    function = Functions.FUNCTION_TABLE.get(name)
    if function is None:
        raise BadExpression(f"{name}() is not a JMESPath function")
    signature = function["signature"]
    at_least = "at least " if signature[-1].get("variadic") else ""
    if count < len(signature) or (count > len(signature) and not at_least):
        raise BadExpression(f"{name}() takes {at_least}{len(signature)} argument(s), not {count}")
    return [argument["types"] == ["expref"] for argument in signature] + [False] * (count - len(signature))


class _Cost(NamedTuple):
    """What a node does with its input: of how many copies its result can be, and how many copies are looked at."""

    growth: int
    work: int


def _cost(node: _Node) -> _Cost:
    kind, children = node["type"], [child for child in node["children"] if isinstance(child, dict)]
    if kind in _CHAINS:
        return _chain([_cost(child) for child in children])
    if kind == "filter_projection":
        base, result, condition = map(_cost, children)
        return _chain([base, _Cost(1, condition.work), result])
    if kind == "literal":
        return _Cost(1 + len(str(node["value"])) // _LITERAL, 1)
    if kind == "function_expression":
        return _call(node["value"], children)
    costs = [_cost(child) for child in children]
    growths = [cost.growth for cost in costs]
    growth = max(growths) if kind in _EITHER else sum(growths)
    return _Cost(growth or 1, 1 + sum(cost.work for cost in costs))


def _call(name: str, arguments: Sequence[_Node]) -> _Cost:
    """Return the cost of a call: the function looks at its arguments, and evaluates `&expression` on each element."""
    values = [_cost(argument) for argument in arguments if argument["type"] != "expref"]
    given = _Cost(sum(cost.growth for cost in values) or 1, sum(cost.work for cost in values))
    references = [_cost(argument) for argument in arguments if argument["type"] == "expref"]
    growth, work = _chain([given, *references])
    if name == "to_string":
        growth *= 2  # every quotation mark is escaped
    if name == "join":
        growth *= values[0].growth  # the separator comes as often as there are elements
    return _Cost(growth, work + given.growth)


def _chain(costs: Sequence[_Cost]) -> _Cost:
    growth, work = 1, 1
    for cost in costs:
        work += growth * cost.work
        growth *= cost.growth
    return _Cost(growth, work)
