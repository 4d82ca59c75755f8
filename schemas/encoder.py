"""A record schema -> a function that encodes its values: the same bytes as fastavro, several times as fast.

The function is generated as text, one expression per field, and compiled once. It neither decodes nor validates: its
input must fit the schema. fastavro stays the reference; tests/schemas/test_encoder.py verifies that both give the same
bytes.
"""

import struct
from collections.abc import Callable
from typing import Any, Final, cast

_MOST_KEPT = 16384
_INSTANT: Final = {"type": "long", "logicalType": "timestamp-millis"}

Pack = Callable[..., bytes]


def compiled(schema: dict[str, Any], header: bytes) -> Pack:
    """Return a function of a record's values, in the order of its fields, that returns header and value.

    Args:
        schema: of a record, as its .avsc file has it. Dates and instants are whole days and milliseconds.
        header: the framing.

    Raises:
        ValueError: a type that none of our schemas has.
    """
    names = [f"v{place}" for place in range(len(schema["fields"]))]
    room: dict[str, Any] = {**_ROOM, "header": header}
    pieces = {name: _pieces(field["type"], name, room) for field, name in zip(schema["fields"], names, strict=True)}
    longs = [name for name in names if pieces[name] == _WRITTEN["long"].format(name)]
    source = f"def pack({', '.join(names)}):\n" + _returns(pieces, longs, " ")
    exec(source, room)  # noqa: S102  no text of the schema goes into it
    return cast("Pack", room["pack"])


def _returns(pieces: dict[str, str], longs: list[str], indent: str) -> str:
    """Return the function's lines: in one expression for each combination of long and short longs.

    Nearly all are positive and over two bytes long. Written in pieces, such a one costs half of what their sum does;
    a piece cannot be left out where a number is short.
    """
    if not longs:
        return f"{indent}return join((header, {', '.join(pieces.values())}))\n"
    name, *rest = longs
    large = f"twice[{name} & 63], more[{name} >> 6 & 127], more[{name} >> 13 & 127], high[{name} >> 20]"
    return (
        f"{indent}if {name} > 1048575:\n{_returns(pieces | {name: large}, rest, indent + ' ')}"
        f"{_returns(pieces, rest, indent)}"
    )


def _pieces(kind: Any, name: str, room: dict[str, Any]) -> str:
    """Return the comma-separated expressions of the bytes that a value becomes; tables they need go into the room."""
    if isinstance(kind, list):
        return _union(kind, name)
    if isinstance(kind, dict) and kind["type"] == "enum":
        room[f"of_{name}"] = {symbol: _long(place) for place, symbol in enumerate(kind["symbols"])}
        return f"of_{name}[{name}]"
    if kind == "string":
        return f"ints[len({name} := {name}.encode())], {name}"
    return _expression(kind, name)


def _union(kinds: list[Any], name: str) -> str:
    if kinds == ["null", _INSTANT]:  # when an event was received: those of one request share it
        return f"(none if {name} is None else some_ints[{name}])"
    if kinds == ["null", "string"]:
        return f"(none if {name} is None else some_ints[len({name} := {name}.encode())] + {name})"
    if len(kinds) == 2 and kinds[0] == "null":  # noqa: PLR2004  the usual union
        return f"(none if {name} is None else some + {_expression(kinds[1], name)})"
    branches = [f"{_long(place)!r} + {_expression(kind, name)}" for place, kind in enumerate(kinds)]
    tests = [f"{branch} if type({name}) is {_TYPES[kind]}" for kind, branch in zip(kinds, branches, strict=True)]
    return f"({' else '.join(tests)} else unfit({name}))"


def _expression(kind: Any, name: str) -> str:
    """Return an expression of the bytes that a value of a type becomes, without a call where it is met often."""
    kind = kind["type"] if isinstance(kind, dict) else kind
    if kind not in _WRITTEN:
        raise ValueError(f"no encoder for the Avro type {kind}")
    return _WRITTEN[kind].format(name)


def _long(number: int) -> bytes:
    """Return a long in zigzag, seven bits a byte, the lowest first."""
    zigzag = (number << 1) ^ (number >> 63)
    if zigzag < 1 << 7:
        return _LAST[zigzag]
    if zigzag < 1 << 14:
        return _MORE[zigzag & 0x7F] + _LAST[zigzag >> 7]
    return _MORE[zigzag & 0x7F] + _MORE[zigzag >> 7 & 0x7F] + _HIGH[zigzag >> 14]


def _high(rest: int) -> bytes:
    found = bytearray()
    while rest >= 1 << 7:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*found, rest])


class _Kept(dict[int, bytes]):
    """Numbers and their bytes: the same ones come again and again."""

    def __init__(self, write: Callable[[int], bytes]) -> None:
        self._write = write

    def __missing__(self, number: int) -> bytes:
        if len(self) >= _MOST_KEPT:
            self.clear()
        self[number] = found = self._write(number)
        return found


def _unfit(value: object) -> bytes:
    raise TypeError(f"no branch of the union for {type(value).__name__}")


# Small tables: those of fourteen bits a step were out of the processor's cache when they were wanted.
_LAST: Final = [bytes([number]) for number in range(1 << 7)]
_MORE: Final = [bytes([number | 0x80]) for number in range(1 << 7)]
_TWICE: Final = [bytes([number << 1 | 0x80]) for number in range(1 << 6)]
# What is above twenty-one bits of an instant changes every quarter of an hour, above fourteen every few seconds.
_HIGH: Final = _Kept(_high)
_INTS: Final = _Kept(_long)  # lengths of texts, days, partitions
_SOME_INTS: Final = _Kept(lambda number: b"\x02" + _long(number))  # and behind the mark that there is one
_TYPES: Final = {
    "null": "nothing",
    "boolean": "bool",
    "int": "int",
    "long": "int",
    "double": "float",
    "string": "str",
    "bytes": "bytes",
}
_WRITTEN: Final = {
    "null": 'b""',
    "boolean": "(true if {0} else false)",
    "int": "ints[{0}]",
    "long": "write_long({0})",
    "double": "write_double({0})",
    "string": "ints[len({0} := {0}.encode())] + {0}",
    "bytes": "ints[len({0})] + {0}",
}
_ROOM: Final = {
    "join": b"".join,
    "ints": _INTS,
    "some_ints": _SOME_INTS,
    "twice": _TWICE,
    "more": _MORE,
    "high": _HIGH,
    "none": b"\x00",
    "some": b"\x02",
    "nothing": type(None),
    "unfit": _unfit,
    "false": b"\x00",
    "true": b"\x01",
    "write_long": _long,
    "write_double": struct.Struct("<d").pack,
}
