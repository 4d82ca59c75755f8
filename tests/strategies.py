"""What hypothesis draws: Segment events as bytes, from tidy to hostile; and how often it draws.

HYPOTHESIS_PROFILE=deep draws far more. No example is timed: the machine may be busy.
"""

import json
import os
import random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests import examples

_COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=100, **_COMMON)
settings.register_profile("deep", max_examples=5_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# JSON text, so that duplicates, escapes and broken pieces can be drawn, too. The first of each is the usual one.
_WHOLE = ("null", "true", "5", "-1.5e3", '"x"', '""', "[]", "{}", '["url"]', '{"url":"x"}', '{"a":[{}]}', '"\\ud83d"')
_BROKEN = ("NaN", "01", "1.", "tr", '"', '"\x01"', '"\\x"', "[1,]", "{,}", "'x'", "\x00", "}", '"\ud800"')
_TEXT = (
    '"https://example.com/?a=1&b=2"',
    "null", '""', '" "', "5", "[]", '"\\ud83d"', '"\U0001f44d"', '"\u00e9"', '"a\\/b\\n"', '"\\"url\\""', '"\\u0075rl"',
    '"url"', '"event"', '"messageId"',
)  # fmt: skip
_EMAIL = (
    '"peter@example.com"',
    "null", '""', '"peter"', '"a@b@c"', "5", '["a@b.c"]', '" Peter@Example.COM "', '"jos\u00e9@b.c"',
    '"jose\u0301@b.c"', '"a\\u0040b.c"', '"a\\ud83d@b.c"', '"a\u2003@b.c"', json.dumps("a" * 253 + "@b"),
    '"\\u200ba@b.c\\ufe0f"', '"a\u00ad@b.c"', '"<a@b.c>"', '"mailto:a@b.c"', '"a@b.c."', '"a@B\u00dcCHER.de"',
    '"a@xn--bcher-kva.de"', '"a@\U0001f44d.de"',
)  # fmt: skip
_TIMESTAMP = (
    '"2020-05-31T17:55:47.263Z"',
    "null", '""', '"NOW"', "1585250199", '"1585250199"', "1585250199123", "1e9", "-5", "1e400", "true",
    '"2015-2-02 00:30"', '"2023-01-03"', '"2020-02-30"', '"2020-05-31T23:59:59.999999999+05:30"', '"0000-01-01"',
)  # fmt: skip
_TYPE = ('"identify"', '"Identify"', '"track"', "null", "1", '"\\u0069dentify"')
_CLASS = ('"audience"', '"trait"', '"journey_step"', '"Audience"', '"other"', "null", "5")
_NAME = (
    '"vip"', '"total spent"', '"V-I-P"', '"\\u0076ip"', '"gr\u00f6\u00dfe"', '"\\ud83d"', '""', "null", "5", '"email"',
)  # fmt: skip
_VALUE = (
    "true", "false", '"true"', '"gold"', "null", "5", "-5", "-0", "450.00", "1e3", "9223372036854775807", "1e400",
    "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890", "1e-9", "-0.0", '"\\ud83d"', '""',
    '["a",1.50,null]', '{"b":{"c":"\u00e9"},"b":1}', "[]",
)  # fmt: skip
_PIECES = (b"", b'"', b"{", b"}", b",", b":", b"\\", b"\\u0000", b"null", b"[[[[", b"\xff")
_GAPS = ("", " ", "\n\t\r ")

# What an event may hold: a key, its value (or what that may hold), and in how many of 250 events it is there.
_MEMBERS: dict[str, tuple[Any, int]] = {
    "type": (_TYPE, 245),
    "timestamp": (_TIMESTAMP, 245),
    "originalTimestamp": (_TIMESTAMP, 60),
    "traits": ({"email": (_EMAIL, 245), "vip": (_VALUE, 150), "total_spent": (_VALUE, 40)}, 245),
    "context": (
        {
            "page": ({"url": (_TEXT, 240)}, 200),
            "traits": ({"email": (_EMAIL, 200), "vip": (_VALUE, 100)}, 50),
            "personas": (
                {"computation_class": (_CLASS, 230), "computation_key": (_NAME, 200), "computation_name": (_NAME, 50)},
                120,
            ),
        },
        180,
    ),
    "page": ({"url": (_TEXT, 240)}, 100),
    "event": (_TEXT, 100),
    "messageId": (_TEXT, 125),
    "writeKey": (('"KEY"', "null", "5", '"\\u004bEY"', '{"a":["KEY"]}', '"a,}\\"KEY"'), 40),
    "email": (_EMAIL, 25),
    "url": (_TEXT, 15),
}
_TWICE = 250  # bytes from here to 255
_UNUSUAL = 244


def events() -> SearchStrategy[bytes]:
    """Draw events: some tidy, the others with any casing, places, duplicates, escapes, order and wrong types."""
    return st.builds(
        lambda tape, text: _Event(tape, text).draw(), st.binary(min_size=120, max_size=120), st.text(max_size=5)
    )


def mutated_examples() -> SearchStrategy[bytes]:
    """Draw the events of schemas/examples with some bytes replaced, put in or taken out."""
    bodies = [example.body.rstrip(b" ") for example in examples.load()]
    return st.builds(_edited, st.sampled_from(bodies), st.binary(min_size=4, max_size=12))


class _Event:
    """An event made from a tape of bytes, a byte for each choice: far faster than a draw for each.

    A byte of zero is the usual choice, so that what fails shrinks to a tidy event.
    """

    def __init__(self, tape: bytes, text: str) -> None:
        self._tape = iter(tape)
        self._noise = (json.dumps(text, ensure_ascii=False), *_WHOLE, *_BROKEN)

    def draw(self) -> bytes:
        return (self._object(_MEMBERS) + self._pick(_GAPS)).encode("utf-8", "surrogatepass")

    def _object(self, members: dict[str, tuple[Any, int]]) -> str:
        drawn = [(self._key(name), self._value(of)) for name, (of, odds) in members.items() for _ in self._times(odds)]
        drawn += [('"noise"', self._pick(self._noise)) for _ in self._times(25)]
        order = self._next()
        if order > 128:
            random.Random(order).shuffle(drawn)
        gap = self._pick(_GAPS)
        return "{" + ",".join(f"{gap}{key}{gap}:{gap}{value}{gap}" for key, value in drawn) + "}"

    def _value(self, of: Any) -> str:
        if isinstance(of, dict):
            return self._object(of) if self._next() < _UNUSUAL else self._pick(_WHOLE, usual=0)
        return self._pick(of)

    def _key(self, name: str) -> str:
        exact, escaped = json.dumps(name), f'"\\u{ord(name[0]):04x}{name[1:]}"'
        odd = (name.upper(), name.title(), "-".join(name), f" {name}_", f"x{name}", name.replace("e", "\u00e9"))
        return self._pick((exact, escaped, *map(json.dumps, odd)))

    def _pick(self, tokens: tuple[str, ...], usual: int = _UNUSUAL) -> str:
        return tokens[0] if self._next() < usual else tokens[self._next() % len(tokens)]

    def _times(self, odds: int) -> range:
        byte = self._next()
        return range(2 if byte >= _TWICE else byte < odds)

    def _next(self) -> int:
        return next(self._tape, 0)


def _edited(body: bytes, tape: bytes) -> bytes:
    for place, fine, length, piece in zip(*[iter(tape)] * 4, strict=False):
        start = (place * 256 + fine) * len(body) // 65536
        put_in = _PIECES[piece % len(_PIECES)] if piece < 128 else bytes([piece % 128, piece])[: piece % 3]
        body = body[:start] + put_in + body[start + length % 6 :]
    return body
