"""What a run of faults stands on: three Kafka nodes and a Valkey, embedded or in containers, or addresses given.

Owns the parts and the proxies between them and the processes under test. Workers and ingest reach each node by
listeners of their own, whose advertised addresses are proxies; the run itself, and the nodes among themselves, go
straight.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from confluent_kafka.admin import AdminClient

from daymark.local import ports
from daymark.local.preparation import prepare
from schemas.topics import Topics
from tests.faults import contained, disk, embedded, upgrade
from tests.faults.disk import Disk
from tests.faults.hurtable import Cluster, Store, Upgradable
from tests.faults.proxy import Link, Proxy
from tests.faults.traps import Traps

_LISTENERS = ("WORKERS", "INGEST")
_NODES = 3


@dataclass
class Ground:
    """Where everything is.

    `links` are the roads that can be hurt, by name, each all of its connections; on `trapped`, from workers to Kafka,
    single requests can be caught.
    """

    says: str
    kafka: str
    kafka_of_workers: str
    kafka_of_ingest: str
    redis: str
    redis_of_workers: str
    proxy: Proxy
    links: Mapping[str, Sequence[Link]]
    traps: Traps
    trapped: Sequence[Link] = ()
    cluster: Cluster | None = None
    upgradable: Upgradable | None = None
    disks: Sequence[Disk] = ()
    data: Path | None = None
    valkey: Store | None = None


@contextmanager
def on_this_machine(
    folder: Path, session_s: float, *, straight: bool = False, small: bool = False, earlier: str = ""
) -> Iterator[Ground]:
    """Start three nodes and a Valkey of one's own, with proxies before them.

    Args:
        folder: for their data.
        session_s: after how many seconds the brokers take a silent member of KIP-848 for dead: theirs to say.
        straight: workers go past the proxies, which take CPU that is theirs where no road is hurt.
        small: each node has a disk that can be filled.
        earlier: the version of Kafka to begin with, to be upgraded.
    """
    compiled = ("-XX:TieredStopAtLevel=4",) if straight else ()  # minutes at half load, as servers run: see `kit`
    kit, home = prepare(_cache()), folder / "kafka"
    cluster = embedded.Cluster(
        upgrade.earlier(earlier) if earlier else kit,
        home,
        becomes=kit,
        nodes=_NODES,
        settings=_settings(session_s),
        java_options=compiled,
    )
    homes = [home / f"node-{number}" for number in range(1, _NODES + 1)] if small else []
    with (
        disk.mounted(homes) as disks,
        _own("embedded", cluster, embedded.Store(folder / "valkey"), straight=straight) as where,
    ):
        where.disks, where.upgradable, where.data = disks, cluster, home
        yield where


def in_containers(session_s: float, *, straight: bool = False) -> AbstractContextManager[Ground]:
    """Start the same in containers; the proxies, as the workers, are outside."""
    contained.check_engine()
    return _own("in containers", contained.Cluster(_NODES, _settings(session_s)), contained.Store(), straight=straight)


def _settings(session_s: float) -> dict[str, str]:
    return {"group.consumer.session.timeout.ms": str(round(session_s * 1000))}


@contextmanager
def _own(kind: str, cluster: Cluster, valkey: Store, *, straight: bool) -> Iterator[Ground]:
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy.running())
        stack.callback(valkey.wipe)
        stack.callback(valkey.kill)
        valkey.start()
        stack.callback(cluster.discard)
        roads: dict[tuple[int, str], Link] = {}
        traps = Traps()
        for number in range(1, _NODES + 1):
            for name in _LISTENERS:
                roads[number, name] = proxy.open(
                    ports.LOOPBACK, ports.choose(), traps=traps if name == "WORKERS" else None
                )
        cluster.announce({key: (link.upstream[1], link.port) for key, link in roads.items()})
        cluster.start()
        store = _road_to(proxy, valkey.url)
        of = {name: [roads[number, name] for number in range(1, _NODES + 1)] for name in _LISTENERS}
        yield Ground(
            says=f"{_NODES} Kafka nodes and a Valkey, {kind}",
            kafka=cluster.bootstrap,
            kafka_of_workers=cluster.bootstrap if straight else bootstrap(of["WORKERS"]),
            kafka_of_ingest=bootstrap(of["INGEST"]),
            redis=valkey.url,
            redis_of_workers=valkey.url if straight else _url(store),
            proxy=proxy,
            links={
                "worker - Redis": [store],
                "worker - Kafka": of["WORKERS"],
                "worker - one Kafka node": of["WORKERS"][:1],
                "ingest - Kafka": of["INGEST"],
            },
            traps=traps,
            trapped=of["WORKERS"],
            cluster=cluster,
            valkey=valkey,
        )


@contextmanager
def given(kafka: str, redis: str) -> Iterator[Ground]:
    """Stand on somebody else's parts: they are not hurt, only workers, ingest and the roads to them are.

    Of the road to Kafka single requests and connections, and only on this machine: clients elsewhere find its nodes
    by their own addresses.
    """
    with Proxy.running() as proxy:
        store, traps = _road_to(proxy, redis), Traps()
        trapped = proxy.open_cluster(kafka, traps)
        yield Ground(
            says=f"the given Kafka ({kafka}) and Redis: no fault of nodes or of the store",
            kafka=kafka,
            kafka_of_workers=bootstrap(trapped) or kafka,
            kafka_of_ingest=kafka,
            redis=redis,
            redis_of_workers=_url(store, redis),
            proxy=proxy,
            links={"worker - Redis": [store]},
            traps=traps,
            trapped=trapped,
        )


def remove_topics(ground: Ground, topics: Topics) -> None:
    """Remove a run's topics; its group goes by itself."""
    admin = AdminClient({"bootstrap.servers": ground.kafka})
    for future in admin.delete_topics([topic.name for topic in topics.all()]).values():
        future.result(30)


def leader(kafka: str, internal_topic: str, name: str) -> int | None:
    """Return the node that coordinates a group or a transactional id; None while there is no answer."""
    found = AdminClient({"bootstrap.servers": kafka}).list_topics(internal_topic, timeout=5).topics[internal_topic]
    if not found.partitions:
        return None
    return found.partitions[abs_hash(name) % len(found.partitions)].leader or None


def abs_hash(name: str) -> int:
    """Return what Kafka places groups and transactional ids by: Java's hash of a text, without its sign."""
    number = 0
    for character in name:
        number = (31 * number + ord(character)) & 0xFFFFFFFF
    return number & 0x7FFFFFFF if number != 0x80000000 else 0


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")


def bootstrap(links: Sequence[Link]) -> str:
    """Return the bootstrap servers that lead over some links."""
    return ",".join(f"{ports.LOOPBACK}:{link.port}" for link in links)


def _road_to(proxy: Proxy, url: str) -> Link:
    parts = urlsplit(url)
    return proxy.open(parts.hostname or ports.LOOPBACK, parts.port or 6379)


def _url(link: Link, url: str = "redis:///0") -> str:
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{who}{'@' if who else ''}{ports.LOOPBACK}:{link.port}").geturl()
