"""An upgrade keeps the claims: what a store holds under the keys of an older version counts until it expires."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import redis

from daymark.local.valkey import Valkey
from processor.claims import Claims, Lifetimes, old_keys
from processor.decide import ContactDay
from processor.records import Record, owner
from processor.slots import slot
from processor.traits import Clock, Property, property_of
from tests.valkey_cluster import ValkeyCluster

SECRET = b"a claim key of a test"
MINE, OLD, OTHERS = b"twelve bytes", b"an old owner", b"others' mark"
PLAN = property_of("w", "a@x.org", "plan")
DAYS = [ContactDay("w", f"{n}@x.org", 18413) for n in range(200)]

Put = Callable[[Mapping[bytes, bytes]], None]


@pytest.fixture(params=["server", "cluster"])
def store(
    request: pytest.FixtureRequest, valkey_server: Callable[..., Valkey], tmp_path: Path
) -> Iterator[tuple[str, Put]]:
    """A URL, and what puts keys into the store behind it."""
    if request.param == "server":
        url = valkey_server().url

        def put(held: Mapping[bytes, bytes]) -> None:
            with redis.Redis.from_url(url) as client:
                for key, value in held.items():
                    client.set(key, value, ex=1000)

        yield url, put
        return
    with ValkeyCluster.running(tmp_path, replicas=0) as cluster:

        def spread(held: Mapping[bytes, bytes]) -> None:
            for key, value in held.items():
                cluster.ask(cluster.holder(slot(key[2])), "SET", key, value, "EX", 1000)

        yield cluster.url, spread


@pytest.fixture
def claims(store: tuple[str, Put]) -> Iterator[Callable[..., Claims]]:
    made = []

    def start(installation: str = "", days_later: float = 0) -> Claims:
        later_s = days_later * 86_400
        made.append(Claims(store[0], SECRET, Lifetimes(8, 8), installation, clock=lambda: time.time() + later_s))
        return made[-1]

    yield start
    for one in made:
        one.close()


def old_day(contact_day: ContactDay) -> bytes:
    return old_keys(hashlib.sha256(SECRET).digest(), [contact_day], [])[0]


def old_clock(of: Property) -> bytes:
    return old_keys(hashlib.sha256(SECRET).digest(), [], [of])[0]


def clock(timestamp_ms: int) -> Clock:
    return Clock(timestamp_ms, owner(b"this", Record(0, 0, None, b"", "w", None, 0)))


def held(claims: Claims, days: list[ContactDay], owner: bytes = MINE) -> list[bytes | None]:
    return list(claims.claim(dict.fromkeys(days, owner), {}).holders)


def test_old_keys_are_those_of_version_0_1() -> None:
    """The bytes are what that version wrote."""
    assert old_day(ContactDay("w", "a@x.org", 18413)).hex() == "647b457dcee3d318b4b5c86b1564d9de65fe35fa"
    assert old_clock(PLAN).hex() == "747b357d45bc0e1c79b6740a6490fabb2d4a5a4e"


def test_old_claims_hold(store: tuple[str, Put], claims: Callable[..., Claims]) -> None:
    """A contact-day of an old key is its owner's; others are free, and are claimed under new keys."""
    store[1]({old_day(day): OLD for day in DAYS[::2]})
    assert held(claims(), DAYS) == [OLD, None] * 100
    assert held(claims(), DAYS, OTHERS) == [OLD, MINE] * 100


def test_a_claim_of_its_own_under_an_old_key(store: tuple[str, Put], claims: Callable[..., Claims]) -> None:
    """Who claimed before the upgrade, and died before the commit, knows its own afterwards."""
    store[1]({old_day(DAYS[0]): MINE})
    assert held(claims(), DAYS[:1]) == [MINE]


def test_old_claims_of_another_topic(store: tuple[str, Put], claims: Callable[..., Claims]) -> None:
    """They count where there is no prefix, as they did before; with one they may be another installation's."""
    store[1]({old_day(DAYS[0]): OTHERS, old_day(DAYS[1]): MINE[:4] + OLD[4:]})
    assert held(claims(), DAYS[:2]) == [OTHERS, MINE[:4] + OLD[4:]]
    assert held(claims("staging."), DAYS[:2]) == [None, MINE[:4] + OLD[4:]]


@pytest.mark.parametrize("now", [4, 5, 6])
def test_old_clocks_go_on(store: tuple[str, Put], claims: Callable[..., Claims], now: int) -> None:
    """A change is judged by the old clock, and later ones by the newer of both."""
    store[1]({old_clock(PLAN): clock(5).packed()})
    assert list(claims().claim({}, {PLAN: clock(now)}).clocks) == [clock(5)]
    assert list(claims().claim({}, {PLAN: clock(7)}).clocks) == [clock(max(now, 5))]


def test_an_empty_store_has_no_old_keys(store: tuple[str, Put], claims: Callable[..., Claims]) -> None:
    """Nobody looks for them: a new deployment pays nothing."""
    held(claims(), DAYS)
    store[1]({old_day(ContactDay("w", "late@x.org", 1)): OLD})
    assert held(claims(), [ContactDay("w", "late@x.org", 1)]) == [None]


def test_old_keys_are_read_for_one_lifetime(store: tuple[str, Put], claims: Callable[..., Claims]) -> None:
    """From the first start under new keys on, whichever worker's it was; then they have expired."""
    store[1]({old_day(day): OLD for day in DAYS[:3]})
    assert held(claims(), DAYS[:1]) == [OLD]
    assert held(claims(days_later=7.9), DAYS[1:2]) == [OLD]
    assert held(claims(days_later=8.1), DAYS[2:3]) == [None]
