"""What a run of faults stands on: three embedded Kafka nodes and a Valkey, or addresses that were given.

Owns the parts and the proxies between them and the processes under test. Workers and ingest reach each node by
listeners of their own, whose advertised addresses are proxies; the run itself, and the nodes among themselves, go
straight.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from daymark.local import ports
from daymark.local.kafka import Kafka
from daymark.local.preparation import prepare
from daymark.local.properties import Node
from daymark.local.valkey import Valkey
from schemas.topics import Topics
from tests.faults.proxy import Link, Proxy

_LISTENERS = ("WORKERS", "INGEST")
_NODES = 3


@dataclass
class Ground:
    """Where everything is. `links` are the roads that can be hurt, by name, each all of its connections."""

    says: str
    kafka: str
    kafka_of_workers: str
    kafka_of_ingest: str
    redis: str
    redis_of_workers: str
    proxy: Proxy
    links: Mapping[str, Sequence[Link]]
    cluster: Kafka | None = None
    valkey: Valkey | None = None


class Cluster(Kafka):
    """Nodes with two more listeners each, advertised at the ports of proxies."""

    def announce(self, ports_of: Mapping[tuple[int, str], tuple[int, int]]) -> None:
        """Say, for each node and listener, the port it listens on and the one that it tells its clients."""
        self._ports = ports_of

    def _format(self, nodes: Sequence[Node]) -> None:
        # The first thing after the settings are written: of two lines Java takes the later one.
        for node in nodes:
            own = [(name, self._ports[node.number, name]) for name in _LISTENERS]
            listens = [f"{name}://{ports.LOOPBACK}:{port}" for name, (port, _) in own]
            tells = [f"{name}://{ports.LOOPBACK}:{port}" for name, (_, port) in own]
            plain, controller = f"PLAINTEXT://{ports.LOOPBACK}:{node.port}", node.controller_port
            protocols = [f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *_LISTENERS)]
            with (node.home / "server.properties").open("a") as file:
                file.write(
                    f"listeners={','.join([plain, f'CONTROLLER://{ports.LOOPBACK}:{controller}', *listens])}\n"
                    f"advertised.listeners={','.join([plain, *tells])}\n"
                    f"listener.security.protocol.map={','.join(protocols)}\n"
                    "inter.broker.listener.name=PLAINTEXT\n"
                )
        super()._format(nodes)


@contextmanager
def embedded(folder: Path, session_s: float, *, straight: bool = False) -> Iterator[Ground]:
    """Start three nodes and a Valkey of one's own, with proxies before them.

    Args:
        folder: for their data.
        session_s: after how many seconds the brokers take a silent member of KIP-848 for dead: theirs to say.
        straight: workers go past the proxies, which take CPU that is theirs where no road is hurt.
    """
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy.running())
        valkey = Valkey(folder / "valkey")
        stack.callback(valkey.kill)
        valkey.start()
        cluster = Cluster(
            prepare(_cache()),
            folder / "kafka",
            nodes=_NODES,
            settings={"group.consumer.session.timeout.ms": str(round(session_s * 1000))},
        )
        stack.callback(cluster.discard)
        roads: dict[tuple[int, str], Link] = {}
        for number in range(1, _NODES + 1):
            for name in _LISTENERS:
                roads[number, name] = proxy.open(ports.LOOPBACK, ports.choose())
        cluster.announce({key: (link.upstream[1], link.port) for key, link in roads.items()})
        cluster.start()
        store = _road_to(proxy, valkey.url)
        of = {name: [roads[number, name] for number in range(1, _NODES + 1)] for name in _LISTENERS}
        yield Ground(
            says=f"{_NODES} embedded Kafka nodes and a Valkey",
            kafka=cluster.bootstrap,
            kafka_of_workers=cluster.bootstrap if straight else _bootstrap(of["WORKERS"]),
            kafka_of_ingest=_bootstrap(of["INGEST"]),
            redis=valkey.url,
            redis_of_workers=valkey.url if straight else _url(store),
            proxy=proxy,
            links={
                "worker - Redis": [store],
                "worker - Kafka": of["WORKERS"],
                "worker - one Kafka node": of["WORKERS"][:1],
                "ingest - Kafka": of["INGEST"],
            },
            cluster=cluster,
            valkey=valkey,
        )


@contextmanager
def given(kafka: str, redis: str) -> Iterator[Ground]:
    """Stand on somebody else's parts: they are not hurt, only workers, ingest and the road to the store are."""
    with Proxy.running() as proxy:
        store = _road_to(proxy, redis)
        yield Ground(
            says=f"the given Kafka ({kafka}) and Redis: no fault of nodes, of the store or of the road to Kafka",
            kafka=kafka,
            kafka_of_workers=kafka,
            kafka_of_ingest=kafka,
            redis=redis,
            redis_of_workers=_url(store, redis),
            proxy=proxy,
            links={"worker - Redis": [store]},
        )


def make_topics(ground: Ground, topics: Topics, partitions: int) -> None:
    """Make the topics, as safe as the brokers allow."""
    admin = AdminClient({"bootstrap.servers": ground.kafka})
    replicas = min(len(admin.list_topics(timeout=30).brokers), 3)
    safe = {"min.insync.replicas": "2"} if replicas == 3 else {}
    new = [
        NewTopic(t.name, partitions, replication_factor=replicas, config={**t.settings, **safe}) for t in topics.all()
    ]
    for future in admin.create_topics(new).values():
        future.result(30)


def remove_topics(ground: Ground, topics: Topics) -> None:
    """Remove a run's topics; its group goes by itself."""
    admin = AdminClient({"bootstrap.servers": ground.kafka})
    for future in admin.delete_topics([topic.name for topic in topics.all()]).values():
        future.result(30)


def leader(kafka: str, internal_topic: str, name: str) -> int | None:
    """Return the node that coordinates a group or a transactional id; None while nobody can tell."""
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


def _bootstrap(links: Sequence[Link]) -> str:
    return ",".join(f"{ports.LOOPBACK}:{link.port}" for link in links)


def _road_to(proxy: Proxy, url: str) -> Link:
    parts = urlsplit(url)
    return proxy.open(parts.hostname or ports.LOOPBACK, parts.port or 6379)


def _url(link: Link, url: str = "redis:///0") -> str:
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{who}{'@' if who else ''}{ports.LOOPBACK}:{link.port}").geturl()
