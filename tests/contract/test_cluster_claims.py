"""Claims on a cluster of three primaries and three replicas: killed, frozen, demoted, grown and resharded."""

import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from daymark.local import ports
from processor.claims import Claims, Lifetimes, day_key
from processor.decide import ContactDay
from processor.errors import ClaimsAway, Fatal
from processor.ports import ClaimsPort
from processor.slots import slot
from processor.traits import Clock, property_of
from tests.valkey_cluster import ValkeyCluster

MINE, OTHERS = b"twelve bytes", b"others' mark"
LIFETIMES = Lifetimes(8, 8)
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    with ValkeyCluster.running(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: ValkeyCluster) -> Iterator[ValkeyCluster]:
    """The cluster that all tests of this file share, whole again after each."""
    yield shared_cluster
    shared_cluster.heal()


@pytest.fixture
def claims(cluster: ValkeyCluster) -> Iterator[Claims]:
    made = Claims(cluster.url_of(0), secrets.token_bytes(32), LIFETIMES)
    yield made
    made.close()


def days(count: int, day: int = 1) -> list[ContactDay]:
    return [ContactDay("w", f"{n}@x.org", day) for n in range(count)]


def held_once(claims: ClaimsPort, asked: list[ContactDay], owner: bytes = MINE) -> list[bytes | None]:
    return list(claims.claim(dict.fromkeys(asked, owner), {}).holders)


def held(claims: ClaimsPort, asked: list[ContactDay], owner: bytes = MINE) -> list[bytes | None]:
    """Ask once; again only while the nodes call the cluster down, as they do when a busy machine delays their pings."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return held_once(claims, asked, owner)
        except ClaimsAway as error:
            if "cluster is down" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def of_slot(claims: Claims, number: int, count: int, day: int = 1) -> list[ContactDay]:
    """Return contact-days whose keys lie in one slot."""
    found = [one for one in days(200 * count, day) if slot(day_key(claims._secret, one)[2]) == number]
    return found[:count]


def a_slot(claims: Claims) -> int:
    return slot(day_key(claims._secret, days(1)[0])[2])


def held_within(claims: ClaimsPort, asked: list[ContactDay], owner: bytes) -> list[bytes | None]:
    """Ask until there is an answer: the cluster fails over."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return held_once(claims, asked, owner)
        except ClaimsAway:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_any_host_of_the_url_that_lives_is_enough(cluster: ValkeyCluster) -> None:
    """A dead host before the living one costs nothing but a moment."""
    dead = f"redis+cluster://127.0.0.1:{ports.choose()},127.0.0.1:{cluster.port(4)}"
    claims = Claims(dead, secrets.token_bytes(32), LIFETIMES)
    assert held(claims, days(300)) == [None] * 300
    claims.close()


def test_a_worker_that_starts_meets_a_dead_host_and_a_failover(cluster: ValkeyCluster) -> None:
    """The first host of the URL is dead and its replica was promoted: the other hosts lead there."""
    secret = secrets.token_bytes(32)
    first = Claims(cluster.url, secret, LIFETIMES)
    held(first, days(300))
    cluster.nodes[cluster.holder(0)].kill()
    held_within(first, days(300), MINE)
    again = Claims(cluster.url, secret, LIFETIMES)
    assert held(again, days(300), OTHERS) == [MINE] * 300
    first.close()
    again.close()


def test_a_demoted_primary_sends_us_on(cluster: ValkeyCluster, claims: Claims) -> None:
    """A manual failover is followed within the same call."""
    held(claims, days(300))
    for primary in {shard.primary for shard in cluster.shards() if shard.replicas}:
        cluster.demote(primary)
        assert held(claims, days(300), OTHERS) == [MINE] * 300


def test_a_slot_half_way_to_a_new_node(cluster: ValkeyCluster, claims: Claims) -> None:
    """Keys here, keys there, and keys that are nowhere yet: each is asked where it is, by old and by new clients."""
    number = a_slot(claims)
    before = of_slot(claims, number, 20)
    held(claims, before)
    held(claims, days(300))
    new = cluster.add()
    old = cluster.begin_move(number, new, keys=10)
    fresh = Claims(cluster.url_of(old), None, LIFETIMES)
    fresh._secret = claims._secret
    for day, asking in ((2, claims), (3, fresh)):
        assert held(asking, before, OTHERS) == [MINE] * 20
        both = [one for pair in zip(before, of_slot(claims, number, 20, day), strict=True) for one in pair]
        assert held(asking, both, OTHERS) == [MINE, None] * 20
        assert held(asking, both, MINE) == [MINE, OTHERS] * 20
    cluster.end_move(number, old, new)
    assert held(claims, of_slot(claims, number, 20, 3) + before, MINE) == [OTHERS] * 20 + [MINE] * 20
    fresh.close()


def test_slots_moved_by_the_servers_themselves(cluster: ValkeyCluster, claims: Claims) -> None:
    """CLUSTER MIGRATESLOTS of Valkey 9 leaves every claim where it is found."""
    number = a_slot(claims)
    before = of_slot(claims, number, 20)
    held(claims, before)
    other = cluster.another(number)
    cluster.migrate_slots(range(number, number + 1), other)
    assert held(claims, before, OTHERS) == [MINE] * 20


def test_a_frozen_shard_is_away_in_seconds(cluster: ValkeyCluster, claims: Claims) -> None:
    """With its replica frozen too, nobody fails over: the claims are unavailable until the shard is back."""
    held(claims, days(300))
    frozen = cluster.freeze_shard(0)
    began = time.monotonic()
    with pytest.raises(ClaimsAway):
        held_once(claims, days(300), OTHERS)
    assert time.monotonic() - began < 30
    for node in frozen:
        cluster.nodes[node].thaw()
    assert held_within(claims, days(300), OTHERS) == [MINE] * 300


def test_readiness_wants_every_shard(cluster: ValkeyCluster, claims: Claims) -> None:
    """The store answers when all primaries do."""
    assert claims.answers()
    frozen = cluster.freeze_shard(0)
    assert not claims.answers()
    for node in frozen:
        cluster.nodes[node].thaw()
    cluster.wait(claims.answers, "the store answers again")


def test_all_nodes_frozen_is_away_in_seconds(cluster: ValkeyCluster, claims: Claims) -> None:
    """A client that has no node left to ask says so as soon."""
    held(claims, days(300))
    for node in cluster.nodes:
        node.freeze()
    began = time.monotonic()
    with pytest.raises(ClaimsAway):
        held_once(claims, days(300), OTHERS)
    assert time.monotonic() - began < 30
    for node in cluster.nodes:
        node.thaw()
    assert held_within(claims, days(300), OTHERS) == [MINE] * 300


def test_a_primary_that_fails_over_under_the_question(cluster: ValkeyCluster, claims: Claims) -> None:
    """A batch of which one shard has taken its part is asked again: each claim knows its own."""
    primary = cluster.holder(0)
    held(claims, days(300))
    assert claims._identity
    claims._identity = claims._identity._replace(made_s=0)  # no keys of an older version to read first
    cluster.nodes[primary].kill()
    with pytest.raises(ClaimsAway):
        held_once(claims, days(300, 2))
    found = held_within(claims, days(300, 2), MINE)
    assert set(found) == {None, MINE}  # MINE: claimed by the first attempt, on the shards that lived
    assert held(claims, days(300, 2), OTHERS) == [MINE] * 300


def test_nothing_of_the_cluster_lives() -> None:
    """A cluster without a listening node is unavailable, at the start as later."""
    gone = Claims(f"redis+cluster://127.0.0.1:{ports.choose()},127.0.0.1:{ports.choose()}", None, LIFETIMES)
    with pytest.raises(ClaimsAway):
        held_once(gone, days(3))
    gone.close()


def test_a_node_that_lost_its_scripts(cluster: ValkeyCluster, claims: Claims) -> None:
    """The script is sent again to the nodes that lack it."""
    held(claims, days(300))
    cluster.ask(cluster.holder(0), "SCRIPT", "FLUSH")
    assert held(claims, days(300), OTHERS) == [MINE] * 300


def test_clocks_lie_on_all_nodes(claims: Claims) -> None:
    """Days and clocks share a question; each answer stands in its place."""
    clocks = {property_of("w", f"{n}@x.org", "plan"): Clock(9, MINE) for n in range(100)}
    claims.claim(dict.fromkeys(days(100), MINE), clocks)
    found = claims.claim(dict.fromkeys(days(200), OTHERS), clocks)
    assert list(found.holders) == [MINE] * 100 + [None] * 100
    assert list(found.clocks) == [Clock(9, MINE)] * 100


def test_the_policy_of_every_primary_counts(cluster: ValkeyCluster, claims: Claims) -> None:
    """One primary that may evict is reported."""
    assert claims.policy() == "noeviction"
    with cluster.client(cluster.holder(16383)) as node:
        node.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert "allkeys-lru" in (claims.policy() or "")
        finally:
            node.config_set("maxmemory-policy", "noeviction")


def test_least_rights_suffice_while_slots_move(cluster: ValkeyCluster) -> None:
    """What the documentation grants a worker's user on a cluster is enough, ASK and TRYAGAIN included."""
    rights = " ".join(re.findall(r"`((?:resetkeys|\+cluster)[^`]*)`", OPERATIONS.read_text(encoding="utf-8")))
    assert rights.startswith("resetkeys")
    assert rights.endswith("+asking")
    for number in range(len(cluster.nodes)):
        cluster.ask(number, "ACL", "SETUSER", "worker", "on", ">pw", *rights.split())
    claims = Claims(cluster.url.replace("://", "://worker:pw@"), secrets.token_bytes(32), LIFETIMES)
    number = a_slot(claims)
    asked = of_slot(claims, number, 20)
    held(claims, asked)
    assert claims.policy() == "noeviction"
    other = cluster.another(number)
    old = cluster.begin_move(number, other, keys=10)
    assert held(claims, asked, OTHERS) == [MINE] * 20
    cluster.end_move(number, old, other)
    claims.close()


@pytest.mark.parametrize("lacking", ["cluster|slots", "evalsha"])
def test_a_right_that_lacks_is_named(cluster: ValkeyCluster, lacking: str) -> None:
    """What a user may not do, no waiting mends."""
    for number in range(len(cluster.nodes)):
        cluster.ask(number, "ACL", "SETUSER", "lacking", "reset", "on", ">pw", "~*", "+@all", f"-{lacking}")
    claims = Claims(cluster.url.replace("://", "://lacking:pw@"), None, LIFETIMES)
    with pytest.raises(Fatal, match=re.escape(lacking)):
        held(claims, days(3))
    claims.close()
