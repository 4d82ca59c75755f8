"""One suite for the claims: the fake, the simulated world's store, a real store, a real cluster.

What tests believe of the first two is true of the others.
"""

import random
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import redis
from msgspec.structs import replace

from daymark.local import ports
from daymark.local.valkey import Valkey
from processor import store
from processor.claims import Claims, Lifetimes, clock_key, day_key
from processor.decide import ContactDay
from processor.errors import ClaimsAway, ClaimsFull, Fatal
from processor.ports import ClaimsPort
from processor.records import Record, owner
from processor.traits import Clock, property_of
from tests.fakes import FakeClaims
from tests.world.kernel import Kernel, Process
from tests.world.network import Network
from tests.world.store import StoreServer, WorldRedis

MINE, OTHERS = b"twelve bytes", b"others' mark"
LIFETIMES = Lifetimes(8, 8)
LEAST_RIGHTS = "resetkeys ~d{* ~t{* -@all +set +get +evalsha +eval +config|get"
DAYS = [ContactDay("w", f"{n}@x.org", 18413) for n in range(300)]


PLAN = property_of("w", "a@x.org", "plan")


def held(claims: ClaimsPort, days: Sequence[ContactDay], owner: bytes = MINE) -> list[bytes | None]:
    """Claim contact-days, and return who holds each."""
    return list(claims.claim(dict.fromkeys(days, owner), {}).holders)


def clock(timestamp_ms: int, partition: int = 0, offset: int = 0, topic: bytes = b"this") -> Clock:
    """Return the clock of a record."""
    return Clock(timestamp_ms, owner(topic, Record(partition, offset, None, b"", "w", None, 0)))


class _AtOnce(WorldRedis):
    """A client of the simulated world's store, without the world: nothing delays or loses a command."""

    def _ask(self, *request: Any) -> Any:
        replies: list[Any] = []
        self._server.take(request, replies.append)
        return replies[0]


@pytest.fixture(params=["fake", "simulated", "store", "cluster"])
def claims(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClaimsPort]:
    if request.param == "fake":
        yield FakeClaims()
        return
    if request.param == "simulated":
        kernel = Kernel()
        client = _AtOnce(Network(kernel, 0), Process("worker"), StoreServer(kernel), 1.0)
        monkeypatch.setattr(store, "client", lambda _: client)
        yield Claims("redis://simulated", None, LIFETIMES)
        return
    url = request.getfixturevalue({"store": "redis_url", "cluster": "cluster_url"}[request.param])
    real = Claims(url, secrets.token_bytes(32), LIFETIMES)
    yield real
    real.close()


@pytest.fixture
def cluster_url(valkey_server: Callable[..., Valkey]) -> str:
    """A cluster of one node that holds all slots: scripts are bound to a slot as in any cluster."""
    server = valkey_server(settings={"cluster-enabled": "yes", "cluster-port": str(ports.choose())})
    with redis.Redis.from_url(server.url) as node:
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + 60
        while "cluster_state:ok" not in str(node.execute_command("CLUSTER", "INFO")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    return server.url.replace("redis://", "redis+cluster://").removesuffix("/0")


def test_first_claim_succeeds_and_holds(claims: ClaimsPort) -> None:
    """A free contact-day is claimed; from then on every caller, even the owner, gets its owner."""
    assert held(claims, DAYS) == [None] * 300
    assert held(claims, DAYS, OTHERS) == [MINE] * 300
    assert held(claims, DAYS) == [MINE] * 300


def test_answers_keep_their_order(claims: ClaimsPort) -> None:
    """Each answer stands where its contact-day stood."""
    held(claims, DAYS[::2])
    assert held(claims, DAYS, OTHERS) == [MINE, None] * 150


def test_nothing_to_claim(claims: ClaimsPort) -> None:
    """No question, no answer."""
    assert claims.claim({}, {}) == ([], [])


def test_a_clock_moves_forward_only(claims: ClaimsPort) -> None:
    """Each change gets the clock before it; an older one leaves it, of equal times the later record moves it."""
    told = [
        (clock(5, offset=1), None),
        (clock(4, offset=2), clock(5, offset=1)),  # older: stale
        (clock(5, offset=1), clock(5, offset=1)),  # itself again
        (clock(5, offset=7), clock(5, offset=1)),  # as old, later
        (clock(5, offset=6), clock(5, offset=7)),  # as old, earlier: stale
        (clock(5, partition=1), clock(5, offset=7)),  # as old, elsewhere
        (clock(5, 32769, topic=b"slow"), clock(5, partition=1)),  # as old, of a backfill: stale
        (clock(5, topic=b"anew"), clock(5, partition=1)),  # as old, of a topic made anew
        (clock(-(10**13)), clock(5, topic=b"anew")),
        (clock(10**13), clock(5, topic=b"anew")),
        (clock(0), clock(10**13)),
    ]
    assert [(now, *claims.claim({}, {PLAN: now}).clocks) for now, _ in told] == told


@pytest.mark.parametrize("seed", range(5))
def test_clocks_of_any_changes(claims: ClaimsPort, seed: int) -> None:
    """Whatever comes in whatever order, the clock is the newest, and every answer agrees with the rule."""
    draw = random.Random(seed)
    offsets, instants = [0, 1, 255, 256, 2**32 - 1, 2**32, 2**47], [-(2**40), -1, 0, 1, 2**31, 2**45]
    newest: Clock | None = None
    for _ in range(60):
        topic = b"\xff\x80ab" if draw.random() < 0.8 else b"\x00\x80ab"
        now = clock(
            draw.choice(instants), draw.choice([0, 1, 127, 128, 4000, 32768, 32895]), draw.choice(offsets), topic
        )
        assert claims.claim({}, {PLAN: now}).clocks == [newest]
        newest = newest if now.is_stale(newest) else now


def test_days_and_clocks_are_asked_together(claims: ClaimsPort) -> None:
    """In one call, each answered in its place; a property of one name belongs to its workspace and contact."""
    properties = {property_of(w, e, n): clock(9) for w in "ab" for e in "cd" for n in ("plan", "vip")}
    claims.claim(dict.fromkeys(DAYS[::2], MINE), dict(list(properties.items())[::2]))
    found = claims.claim(dict.fromkeys(DAYS, OTHERS), properties)
    assert list(found.holders) == [MINE, None] * 150
    assert list(found.clocks) == [clock(9), None] * 4


def test_a_clock_lives_as_long_as_set(redis_url: str) -> None:
    """Its lifetime, a separate setting, starts anew with each change that is compared with it, stale or not."""
    claims = Claims(redis_url, secrets.token_bytes(32), Lifetimes(8, 3))
    claims.claim({}, {PLAN: clock(5)})
    with redis.Redis.from_url(redis_url) as store:
        key = clock_key(claims._secret, PLAN)
        assert 3 * 86_400 - 5 <= store.ttl(key) <= 3 * 86_400
        store.expire(key, 100)
        assert claims.claim({}, {PLAN: clock(6)}).clocks == [clock(5)]
        assert 3 * 86_400 - 5 <= store.ttl(key) <= 3 * 86_400
        store.expire(key, 100)
        assert claims.claim({}, {PLAN: clock(4)}).clocks == [clock(6)]
        assert 3 * 86_400 - 5 <= store.ttl(key) <= 3 * 86_400
        assert store.get(key) == clock(6).packed()
    claims.close()


def test_an_owner_of_another_length_is_not_sent(redis_url: str) -> None:
    """The script cuts owners apart by their length: one that is short would shift all that follow."""
    claims = Claims(redis_url, secrets.token_bytes(32), LIFETIMES)
    for owners, clocks in (({DAYS[0]: b"short", DAYS[1]: MINE}, {}), ({}, {PLAN: Clock(1, b"short")})):
        with pytest.raises(ValueError, match="12 bytes"):
            claims.claim(owners, clocks)
    assert held(claims, DAYS[:2]) == [None, None]
    claims.close()


def test_owner_marks_partition_offset_and_incarnation() -> None:
    """Twelve bytes, the same for the same coordinates only."""
    first = Record(1, 2, None, b"", "w", None, 0)
    assert owner(b"abcd", first) == b"abcd\x00\x01\x00\x00\x00\x00\x00\x02"
    others = [replace(first, partition=2), replace(first, offset=3), replace(first, partition=0, offset=1 << 47)]
    marks = {owner(b"abcd", record) for record in [first, *others]} | {owner(b"abce", first)}
    assert len(marks) == 5


def test_keys_hold_no_personal_data_and_depend_on_the_secret() -> None:
    """A key is a tagged hash: another secret, workspace, contact or day makes another key."""
    contact_day = ContactDay("acme", "peter@example.com", 18413)
    key = day_key(b"secret", contact_day)
    assert len(key) == 20
    assert b"peter" not in key
    assert b"acme" not in key
    others = [replace(contact_day, workspace="a"), replace(contact_day, email="p"), replace(contact_day, day=1)]
    assert len({key, day_key(b"other", contact_day), *(day_key(b"secret", other) for other in others)}) == 5


def test_a_claim_lives_as_long_as_set(redis_url: str) -> None:
    """Its lifetime runs from the claim, and meeting it again does not lengthen it."""
    secret = secrets.token_bytes(32)
    claims = Claims(redis_url, secret, LIFETIMES)
    held(claims, DAYS[:1])
    with redis.Redis.from_url(redis_url) as store:
        key = day_key(claims._secret, DAYS[0])
        assert 8 * 86_400 - 5 <= store.ttl(key) <= 8 * 86_400
        store.expire(key, 100)
        held(claims, DAYS[:1])
        assert store.ttl(key) <= 100
    claims.close()


def test_script_is_loaded_again_after_a_restart(valkey_server: Callable[..., Valkey]) -> None:
    """A store that forgot its scripts, but not its data, gives the same answers."""
    server = valkey_server()
    claims = Claims(server.url, None, LIFETIMES)
    held(claims, DAYS[:5])
    server.stop()
    server.start()
    assert held(claims, DAYS[:6], OTHERS) == [MINE] * 5 + [None]
    claims.close()


def test_dead_store_is_away(valkey_server: Callable[..., Valkey]) -> None:
    """A store that refuses connections is unavailable, and recovers by itself."""
    server = valkey_server()
    claims = Claims(server.url, None, LIFETIMES, sleep=lambda _: None)
    server.kill()
    with pytest.raises(ClaimsAway):
        held(claims, DAYS)
    server.start()
    assert held(claims, DAYS) == [None] * 300
    claims.close()


def test_silent_store_is_away() -> None:
    """A store that accepts the connection and does not answer is unavailable within seconds."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        claims = Claims(f"redis://127.0.0.1:{silent.getsockname()[1]}", None, LIFETIMES, sleep=lambda _: None)
        began = time.monotonic()
        with pytest.raises(ClaimsAway):
            held(claims, DAYS)
        assert time.monotonic() - began < 30
        claims.close()


def test_full_store_is_full_and_claims_stay(valkey_server: Callable[..., Valkey]) -> None:
    """At its limit the store refuses new claims and keeps the old ones; with room again it goes on."""
    server = valkey_server(settings={"maxmemory": "3mb"})
    claims = Claims(server.url, None, LIFETIMES, sleep=lambda _: None)
    held(claims, DAYS)
    many = [ContactDay("w", f"{n}@y.org", 1) for n in range(40_000)]

    def claim_all() -> None:
        for begin in range(0, len(many), 2000):
            held(claims, many[begin : begin + 2000])

    with pytest.raises(ClaimsFull):
        claim_all()
    with redis.Redis.from_url(server.url) as store:
        assert store.get(day_key(claims._secret, DAYS[0])) == MINE
        store.config_set("maxmemory", "64mb")
    claim_all()
    assert claims.policy() == "noeviction"
    claims.close()


def test_wrong_password_is_fatal(valkey_server: Callable[..., Valkey]) -> None:
    """No waiting mends a wrong password: it is said at once, without the password."""
    server = valkey_server()
    with redis.Redis.from_url(server.url) as store:
        store.execute_command("ACL", "SETUSER", "worker", "on", ">right", "~*", "+@all")
    claims = Claims(server.url.replace("redis://", "redis://worker:wrong-one@"), None, LIFETIMES)
    with pytest.raises(Fatal, match="DAYMARK_REDIS") as fault:
        held(claims, DAYS)
    assert "wrong-one" not in str(fault.value)
    claims.close()


def test_least_rights_suffice(valkey_server: Callable[..., Valkey]) -> None:
    """What docs/operations.md grants a worker's user is enough."""
    server = valkey_server()
    with redis.Redis.from_url(server.url) as store:
        store.execute_command("ACL", "SETUSER", "worker", "on", ">pw", *LEAST_RIGHTS.split())
    claims = Claims(server.url.replace("redis://", "redis://worker:pw@"), None, LIFETIMES)
    assert claims.claim(dict.fromkeys(DAYS[:2], MINE), {PLAN: clock(1)}) == ([None, None], [None])
    assert claims.policy() == "noeviction"
    claims.close()


def test_memory_of_a_claim(valkey_server: Callable[..., Valkey]) -> None:
    """A claim costs at most 90 bytes of the store's memory (a figure of the allocator, not of speed)."""
    server = valkey_server()
    claims = Claims(server.url, None, LIFETIMES)
    held(claims, DAYS)
    with redis.Redis.from_url(server.url) as store:
        before = store.info("memory")["used_memory"]
        for begin in range(0, 100_000, 1000):
            held(claims, [ContactDay("w", f"{n}@z.org", 1) for n in range(begin, begin + 1000)])
        assert (store.info("memory")["used_memory"] - before) / 100_000 <= 90
    claims.close()


def test_memory_of_a_clock(valkey_server: Callable[..., Valkey]) -> None:
    """A clock costs at most 110 bytes of the store's memory."""
    server = valkey_server()
    claims = Claims(server.url, None, LIFETIMES)
    with redis.Redis.from_url(server.url) as store:
        before = store.info("memory")["used_memory"]
        for begin in range(0, 100_000, 1000):
            claims.claim({}, {property_of("w", f"{n}@z.org", "vip"): clock(n) for n in range(begin, begin + 1000)})
        assert (store.info("memory")["used_memory"] - before) / 100_000 <= 110
    claims.close()
