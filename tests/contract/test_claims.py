"""One suite for the claims: the fake, a real store, a real cluster. What tests believe of the fake is true of them."""

import secrets
import socket
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from daymark.local import ports
from daymark.local.valkey import Valkey
from processor.claims import Claims, day_key, owner
from processor.decide import ContactDay
from processor.errors import ClaimsAway, ClaimsFull, Fatal
from processor.ports import ClaimsPort
from processor.records import Record
from tests.fakes import FakeClaims

MINE, OTHERS = b"twelve bytes", b"others' mark"
LEAST_RIGHTS = "resetkeys ~d{* -@all +set +evalsha +eval +config|get"
DAYS = [ContactDay("w", f"{n}@x.org", 18413) for n in range(300)]


@pytest.fixture(params=["fake", "store", "cluster"])
def claims(request: pytest.FixtureRequest) -> Iterator[ClaimsPort]:
    if request.param == "fake":
        yield FakeClaims()
        return
    url = request.getfixturevalue({"store": "redis_url", "cluster": "cluster_url"}[request.param])
    real = Claims(url, secrets.token_bytes(32), 8)
    yield real
    real.close()


@pytest.fixture
def cluster_url(valkey_server: Callable[..., Valkey]) -> str:
    """A cluster of one node that holds all slots: scripts are bound to a slot as in any cluster."""
    server = valkey_server(settings={"cluster-enabled": "yes", "cluster-port": str(ports.choose())})
    with redis.Redis.from_url(server.url) as node:
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + 20
        while "cluster_state:ok" not in str(node.execute_command("CLUSTER", "INFO")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    return server.url.replace("redis://", "redis+cluster://").removesuffix("/0")


def test_first_claim_succeeds_and_holds(claims: ClaimsPort) -> None:
    """A free contact-day is claimed; from then on everybody, the owner too, is told its owner."""
    assert list(claims.claim(DAYS, [MINE] * 300)) == [None] * 300
    assert list(claims.claim(DAYS, [OTHERS] * 300)) == [MINE] * 300
    assert list(claims.claim(DAYS, [MINE] * 300)) == [MINE] * 300


def test_answers_keep_their_order(claims: ClaimsPort) -> None:
    """Each answer stands where its contact-day stood."""
    claims.claim(DAYS[::2], [MINE] * 150)
    assert list(claims.claim(DAYS, [OTHERS] * 300)) == [MINE, None] * 150


def test_nothing_to_claim(claims: ClaimsPort) -> None:
    assert list(claims.claim([], [])) == []


def test_owner_marks_partition_offset_and_incarnation() -> None:
    """Twelve bytes, the same for the same coordinates only."""
    first = Record(1, 2, None, b"", "w", None, 0)
    assert owner(b"abcd", first) == b"abcd\x00\x01\x00\x00\x00\x00\x00\x02"
    others = [first._replace(partition=2), first._replace(offset=3), first._replace(partition=0, offset=1 << 47)]
    marks = {owner(b"abcd", record) for record in [first, *others]} | {owner(b"abce", first)}
    assert len(marks) == 5


def test_keys_hold_no_personal_data_and_depend_on_the_secret() -> None:
    """A key is a tagged hash: another secret, workspace, contact or day makes another key."""
    contact_day = ContactDay("acme", "peter@example.com", 18413)
    key = day_key(b"secret", contact_day)
    assert len(key) == 20
    assert b"peter" not in key
    assert b"acme" not in key
    others = [contact_day._replace(workspace="a"), contact_day._replace(email="p"), contact_day._replace(day=1)]
    assert len({key, day_key(b"other", contact_day), *(day_key(b"secret", other) for other in others)}) == 5


def test_a_claim_lives_as_long_as_set(redis_url: str) -> None:
    """Its lifetime runs from the claim, and meeting it again does not lengthen it."""
    secret = secrets.token_bytes(32)
    claims = Claims(redis_url, secret, 8)
    claims.claim(DAYS[:1], [MINE])
    with redis.Redis.from_url(redis_url) as store:
        key = day_key(claims._secret, DAYS[0])
        assert 8 * 86_400 - 5 <= store.ttl(key) <= 8 * 86_400
        store.expire(key, 100)
        claims.claim(DAYS[:1], [MINE])
        assert store.ttl(key) <= 100
    claims.close()


def test_script_is_loaded_again_after_a_restart(valkey_server: Callable[..., Valkey]) -> None:
    """A store that forgot its scripts, but not its data, gives the same answers."""
    server = valkey_server()
    claims = Claims(server.url, None, 8)
    claims.claim(DAYS[:5], [MINE] * 5)
    server.stop()
    server.start()
    assert list(claims.claim(DAYS[:6], [OTHERS] * 6)) == [MINE] * 5 + [None]
    claims.close()


def test_dead_store_is_away(valkey_server: Callable[..., Valkey]) -> None:
    """A store that refuses connections is away, and back by itself."""
    server = valkey_server()
    claims = Claims(server.url, None, 8, sleep=lambda _: None)
    server.kill()
    with pytest.raises(ClaimsAway):
        claims.claim(DAYS, [MINE] * 300)
    server.start()
    assert list(claims.claim(DAYS, [MINE] * 300)) == [None] * 300
    claims.close()


def test_silent_store_is_away() -> None:
    """A store that takes the connection and says nothing is away within seconds."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        claims = Claims(f"redis://127.0.0.1:{silent.getsockname()[1]}", None, 8, sleep=lambda _: None)
        began = time.monotonic()
        with pytest.raises(ClaimsAway):
            claims.claim(DAYS, [MINE] * 300)
        assert time.monotonic() - began < 30
        claims.close()


def test_full_store_is_full_and_claims_stay(valkey_server: Callable[..., Valkey]) -> None:
    """At its limit the store refuses new claims and keeps the old ones; with room again it goes on."""
    server = valkey_server(settings={"maxmemory": "3mb"})
    claims = Claims(server.url, None, 8, sleep=lambda _: None)
    claims.claim(DAYS, [MINE] * 300)
    many = [ContactDay("w", f"{n}@y.org", 1) for n in range(40_000)]

    def claim_all() -> None:
        for begin in range(0, len(many), 2000):
            claims.claim(many[begin : begin + 2000], [MINE] * 2000)

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
    claims = Claims(server.url.replace("redis://", "redis://worker:wrong-one@"), None, 8)
    with pytest.raises(Fatal, match="DAYMARK_REDIS") as fault:
        claims.claim(DAYS, [MINE] * 300)
    assert "wrong-one" not in str(fault.value)
    claims.close()


def test_least_rights_suffice(valkey_server: Callable[..., Valkey]) -> None:
    """What README grants a worker's user is enough."""
    server = valkey_server()
    with redis.Redis.from_url(server.url) as store:
        store.execute_command("ACL", "SETUSER", "worker", "on", ">pw", *LEAST_RIGHTS.split())
    claims = Claims(server.url.replace("redis://", "redis://worker:pw@"), None, 8)
    assert list(claims.claim(DAYS[:2], [MINE] * 2)) == [None, None]
    assert claims.policy() == "noeviction"
    claims.close()


def test_memory_of_a_claim(valkey_server: Callable[..., Valkey]) -> None:
    """A claim costs at most 90 bytes of the store's memory (a figure of the allocator, not of speed)."""
    server = valkey_server()
    claims = Claims(server.url, None, 8)
    claims.claim(DAYS, [MINE] * 300)
    with redis.Redis.from_url(server.url) as store:
        before = store.info("memory")["used_memory"]
        for begin in range(0, 100_000, 1000):
            claims.claim([ContactDay("w", f"{n}@z.org", 1) for n in range(begin, begin + 1000)], [MINE] * 1000)
        assert (store.info("memory")["used_memory"] - before) / 100_000 <= 90
    claims.close()
