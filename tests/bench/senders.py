"""The shapes in which senders send an identify, as they are documented or were captured from published packages.

Each is drawn without an e-mail address and without a computation: `mixed` puts both where chance says. Fields that
Segment's servers write are in the order of the alphabet, those of SDKs in their own.
"""

import binascii
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any, Final, NamedTuple

Fields = dict[str, Any]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LETTERS: Final = bytes.maketrans(b"+/", b"Qz")
_PATHS: Final = ("/", "/pricing", "/docs/start", "/blog/2026", "/contacts", "/faq")
_AGENTS: Final = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
)
_PEOPLE: Final = 1000
_TRAITS: Final[tuple[tuple[str, Callable[[Random], Any]], ...]] = (
    ("address", lambda chance: {"city": "Zürich", "country": "CH", "postalCode": str(chance.randrange(1000, 9999))}),
    ("age", lambda chance: chance.randrange(18, 90)),
    ("avatar", lambda chance: f"https://cdn.example.com/avatars/{chance.getrandbits(64):016x}.png"),
    (
        "company",
        lambda chance: {"employees": chance.randrange(1, 9000), "id": f"c{chance.randrange(9999)}", "name": "Initech"},
    ),
    ("createdAt", lambda chance: f"2023-0{chance.randrange(1, 10)}-14T08:12:{chance.randrange(10, 60)}.000Z"),
    ("first_name", lambda chance: chance.choice(("Ada", "Björn", "Zoë", "Ivan"))),
    ("last_name", lambda chance: chance.choice(("Gibbons", "Lovelace", "Kowalska", "Ek"))),
    ("lifetime_value", lambda chance: round(chance.random() * 5000, 2)),
    ("logins", lambda chance: chance.randrange(2000)),
    ("newsletter", lambda chance: chance.random() < 0.5),
    ("phone", lambda chance: f"+41 44 {chance.randrange(1_000_000, 9_999_999)}"),
    ("plan", lambda chance: chance.choice(("free", "premium", "enterprise"))),
    ("products", lambda chance: [f"sku-{chance.randrange(10_000)}" for _ in range(3)]),
    ("title", lambda _: None),
)


class Moment(NamedTuple):
    """A call's time as it is written, and as it is: epoch milliseconds."""

    written: str
    ms: int


def engage(chance: Random, user: str, at: Moment) -> Fields:
    """Return a call of Engage, after the captured one: `sentAt` null, nanoseconds, a KSUID."""
    return {
        "channel": "server",
        "context": {"integrations": {"personas": False}, "library": {"name": "unknown", "version": "unknown"}},
        "integrations": {"All": False, "Nat": True, "Warehouses": {"all": False}},
        "messageId": f"personas_{letters(chance, 27)}",
        "originalTimestamp": f"{stamp(at.ms)[:-1]}{chance.randrange(1_000_000):06}Z",
        "projectId": "5kXbpcJxms8WWaEdQUkRWc",
        "receivedAt": stamp(at.ms + chance.randrange(12_000)),
        "sentAt": None,
        "timestamp": at.written,
        "traits": _traits(chance, 7),
        "type": "identify",
        "userId": user,
        "version": 2,
    }


def browser(chance: Random, _user: str, at: Moment) -> Fields:
    """Return a call of analytics.js as Segment delivers it to a partner."""
    path = chance.choice(_PATHS)
    url = f"https://www.example.com{path}"
    page = {"path": path, "referrer": "", "search": "", "title": "Example", "url": url}
    sent = stamp(at.ms + 20)
    return {
        "_metadata": {"bundled": ["Segment.io"], "unbundled": ["Facebook Pixel"]},
        "anonymousId": f"3d316d2c-0000-4000-8000-{chance.getrandbits(48):012x}",
        "channel": "client",
        "context": {
            "ip": f"192.0.2.{chance.randrange(256)}",
            "library": {"name": "analytics.js", "version": "next-1.84.1"},
            "locale": "de-CH",
            "page": page,
            "timezone": "Europe/Zurich",
            "userAgent": chance.choice(_AGENTS),
        },
        "integrations": {},
        "messageId": f"ajs-next-{at.ms}-{chance.getrandbits(64):016x}",
        "originalTimestamp": stamp(at.ms),
        "projectId": "P0OJ3CTID1",
        "receivedAt": stamp(at.ms + 98),
        "sentAt": sent,
        "timestamp": at.written,
        "traits": _traits(chance, 4),
        "type": "identify",
        "userId": None,
        "version": 2,
    }


def node(chance: Random, user: str, at: Moment) -> Fields:
    """Return a call of @segment/analytics-node 3.1.0."""
    return {
        "timestamp": at.written,
        "integrations": {},
        "type": "identify",
        "userId": user,
        "traits": _traits(chance, 10),
        "context": {
            "page": {"url": f"https://www.example.com{chance.choice(_PATHS)}"},
            "library": {"name": "@segment/analytics-node", "version": "3.1.0"},
        },
        "messageId": f"node-next-{at.ms}-{_uuid(chance)}",
        "_metadata": {"nodeVersion": "v20.20.2", "jsRuntime": "node"},
    }


def rudder_python(chance: Random, user: str, at: Moment) -> Fields:
    """Return a call of rudder-sdk-python 2.1.9, whose traits lie in the context alone."""
    return {
        "integrations": {"All": True},
        "anonymousId": None,
        "timestamp": at.written,
        "context": {"traits": _traits(chance, 10), "library": {"name": "analytics-python", "version": "2.1.9"}},
        "type": "identify",
        "userId": user,
        "messageId": _uuid(chance),
        "channel": "server",
    }


def rudder_node(chance: Random, user: str, at: Moment) -> Fields:
    """Return a call of @rudderstack/rudder-sdk-node 3.0.13: traits twice, and no `timestamp`."""
    traits = _traits(chance, 5)
    return {
        "type": "identify",
        "userId": user,
        "traits": traits,
        "context": {"traits": {**traits}, "library": {"name": "analytics-node", "version": "3.0.13"}},
        "channel": "server",
        "_metadata": {"nodeVersion": "20"},
        "originalTimestamp": at.written,
        "sentAt": stamp(at.ms + 333),
        "messageId": _uuid(chance),
    }


def tester(chance: Random, user: str, at: Moment) -> Fields:
    """Return a sample of Segment's event tester."""
    return {
        "messageId": f"segment-test-message-{chance.getrandbits(30):06x}",
        "timestamp": at.written,
        "type": "identify",
        "projectId": "5kXbpcJxms8WWaEdQUkRWc",
        "traits": {"trait1": 1, "trait2": "test", "trait3": True, **_traits(chance, 8)},
        "userId": user,
    }


def stamp(ms: int, offset_minutes: int = 0) -> str:
    """Return an instant as ISO 8601 in milliseconds, in UTC or so far from it."""
    text = (_EPOCH + timedelta(milliseconds=ms, minutes=offset_minutes)).isoformat(timespec="milliseconds")[:-6]
    if offset_minutes == 0:
        return f"{text}Z"
    hours, minutes = divmod(abs(offset_minutes), 60)
    return f"{text}{'+' if offset_minutes > 0 else '-'}{hours:02}:{minutes:02}"


def letters(chance: Random, count: int) -> str:
    """Return so many letters and digits, at most 27."""
    return binascii.b2a_base64(chance.randbytes(20), newline=False).translate(_LETTERS)[:count].decode()


def _traits(chance: Random, count: int) -> Fields:
    return {**chance.choice(_drawn_traits(count))}


@lru_cache
def _drawn_traits(count: int) -> list[Fields]:
    """Return sets of so many traits, made once: a load must cost less than what is measured with it."""
    chance = Random(count)
    drawn = (sorted(chance.sample(range(len(_TRAITS)), count)) for _ in range(_PEOPLE))
    return [{_TRAITS[place][0]: _TRAITS[place][1](chance) for place in places} for places in drawn]


def _uuid(chance: Random) -> str:
    text = f"{chance.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"
