"""A store that lost claims is noticed by everybody who had some there, and nobody else; on real stores."""

import hashlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from daymark.local import ports
from daymark.local.valkey import Valkey
from processor import metrics, sentinel
from processor.claims import Claims, Lifetimes, day_key
from processor.decide import ContactDay
from processor.errors import Fatal
from processor.traits import Clock, property_of
from tests.contract.stores import Start, clustered, command, follow, make_cluster, port_of, wait_for

DAYS = [ContactDay("w", f"{n}@x.org", 18413) for n in range(50)]
PLAN = property_of("w", "a@x.org", "plan")
OURS, THEIRS = b"ours\0\0\0\0\0\0\0\1", b"them\0\0\0\0\0\0\0\1"
DAY_S = 86_400


@pytest.fixture(params=["store", "cluster"])
def server(request: pytest.FixtureRequest, valkey_server: Start) -> Valkey:
    return valkey_server() if request.param == "store" else make_cluster(valkey_server)


@pytest.fixture
def make(server: Valkey, request: pytest.FixtureRequest) -> Iterator[Callable[..., Claims]]:
    """Make clients of one server."""
    url = clustered(server.url) if "cluster" in request.node.callspec.id else server.url
    made: list[Claims] = []

    def start(installation: str = "", **options: Any) -> Claims:
        made.append(Claims(url, b"secret", Lifetimes(8, 8), installation, sleep=lambda _: None, **options))
        return made[-1]

    yield start
    for claims in made:
        claims.close()


def claim(claims: Claims, owner: bytes = OURS, days: list[ContactDay] = DAYS) -> list[bytes | None]:
    return list(claims.claim(dict.fromkeys(days, owner), {}).holders)


def losses(*acts: Callable[[], object]) -> list[str]:
    """Return what losses are logged while things are done."""
    with capture_logs() as logs:
        for act in acts:
            act()
    return [line["found"] for line in logs if line["event"] == "store.lost"]


def test_a_store_that_was_emptied(server: Valkey, make: Callable[..., Claims]) -> None:
    """Each worker that had claims there says so once, with the time in a metric; one that comes later does not."""
    first, second, third = make(), make(), make()
    assert losses(lambda: [claim(first), claim(second), claim(first), claim(second)]) == []
    before = metrics.value(metrics.STORE_LOST)
    command(server, "FLUSHALL")
    assert losses(lambda: [claim(first), claim(third)]) == ["emptied"]
    assert metrics.value(metrics.STORE_LOST) > before
    assert losses(lambda: claim(second)) == ["emptied"]
    assert losses(lambda: [claim(claims) for claims in (first, second, third)]) == []
    assert first.note().split()[0] == second.note().split()[0]


def test_workers_that_start_at_once_on_an_empty_store(make: Callable[..., Claims]) -> None:
    """The first start is no loss, in whatever order they meet it; they agree which store it is."""
    workers = [make() for _ in range(4)]
    assert losses(*[worker.meet for worker in workers], *[partial(claim, worker) for worker in workers]) == []
    assert len({worker.note().split()[0] for worker in workers}) == 1


def test_a_worker_that_starts_on_another_store(server: Valkey, make: Callable[..., Claims]) -> None:
    """What the group's offsets say of the store is compared with what is there."""
    first = make()
    claim(first)
    last = sentinel.newest([first.note()])
    again, emptied = make(), make()
    again.introduce(None, last, None)
    assert losses(again.meet) == []
    command(server, "FLUSHALL")
    emptied.introduce(None, last, None)
    assert losses(emptied.meet, lambda: claim(emptied)) == ["emptied"]
    other = make()
    other.introduce(None, last, None)
    assert losses(other.meet, lambda: claim(other)) == ["another"]


def test_a_store_that_was_left_long_ago(server: Valkey, make: Callable[..., Claims]) -> None:
    """Claims that have expired cannot be lost."""
    first = make()
    claim(first)
    command(server, "FLUSHALL")
    late = make(clock=lambda: time.time() + 9 * DAY_S)
    late.introduce(None, sentinel.newest([first.note()]), None)
    assert losses(late.meet) == []


def test_an_older_replica(valkey_server: Start) -> None:
    """A failover that lost acknowledged claims is distinguished from one that lost none."""
    old, new = valkey_server(), valkey_server()
    follow(new, old)
    claims = Claims(old.url, b"secret", Lifetimes(8, 8))
    claim(claims)
    wait_for(lambda: command(new, "DBSIZE") == command(old, "DBSIZE"))
    command(new, "REPLICAOF", "NO", "ONE")
    assert losses(lambda: claim(claims, days=[ContactDay("w", "late@x.org", 1)])) == []
    command(old, "REPLICAOF", ports.LOOPBACK, port_of(new))  # the address leads to what the new primary has
    wait_for(lambda: command(old, "ROLE")[3] == b"connected")
    command(old, "REPLICAOF", "NO", "ONE")
    assert losses(lambda: claim(claims)) == ["older"]
    assert losses(lambda: claim(claims)) == []
    claims.close()


def test_a_failover_that_lost_nothing(valkey_server: Start) -> None:
    """Is no loss."""
    old, new = valkey_server(), valkey_server()
    follow(new, old)
    claims = Claims(old.url, b"secret", Lifetimes(8, 8))
    claim(claims)
    command(old, "FAILOVER", "TO", ports.LOOPBACK, port_of(new))
    wait_for(lambda: command(new, "ROLE")[0] == b"master")
    command(old, "FAILOVER") if command(old, "ROLE")[0] == b"master" else command(new, "FAILOVER")
    wait_for(lambda: command(old, "ROLE")[0] == b"master")
    assert losses(lambda: claim(claims)) == []
    claims.close()


def test_installations_keep_to_themselves(make: Callable[..., Claims]) -> None:
    """Prefixes separate them; workers of one installation share claims, whatever their group."""
    staging, production, same = make("staging."), make("production."), make("production.")
    assert claim(staging) == [None] * 50
    assert claim(production, THEIRS) == [None] * 50
    assert claim(same) == [THEIRS] * 50
    assert staging.claim({}, {PLAN: Clock(5, OURS)}).clocks == [None]
    assert production.claim({}, {PLAN: Clock(4, THEIRS)}).clocks == [None]


def test_without_a_prefix_the_hash_is_what_it_was(server: Valkey, make: Callable[..., Claims]) -> None:
    """An installation without a prefix hashes as the versions before did; test_old_keys.py has the upgrade."""
    claims, secret = make(), hashlib.sha256(b"secret").digest()
    claim(claims, days=DAYS[:1])
    digest = hashlib.blake2b(b"w\n0@x.org\n18413", digest_size=16, key=secret).digest()
    keys = [b"d{%c}" % tag + digest for tag in range(256)]
    found = [key for key in keys if command(server, "GET", key) == OURS]
    assert found == [day_key(secret, DAYS[0])]


def test_claims_of_another_kafka(make: Callable[..., Claims]) -> None:
    """Topics of the same names on two Kafka clusters: the second is refused, unless they were moved there."""
    first, second, moved, after = (make() for _ in range(4))
    first.introduce("kafka-a", None, None)
    assert claim(first) == [None] * 50
    second.introduce("kafka-b", None, None)
    with pytest.raises(Fatal, match="kafka-a; this one is kafka-b"):
        claim(second)
    moved.introduce("kafka-b", None, "kafka-a")
    assert claim(moved) == [OURS] * 50
    after.introduce("kafka-b", None, None)
    assert claim(after) == [OURS] * 50
