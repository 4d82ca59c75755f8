"""The settings of an embedded Kafka node: those of a small machine that should not wait for anything.

Unlike Kafka's defaults: no topic appears by accident, internal topics have 5 partitions, groups form at once, a dead
node is noticed in 5 s, transactions past their timeout are aborted within a second.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from daymark.local.ports import LOOPBACK

_REPLICAS = 3  # where there are so many nodes


class Node(NamedTuple):
    """One node: its number from 1, its folder, its port for clients and the one for controllers."""

    number: int
    home: Path
    port: int
    controller_port: int


def server_properties(node: Node, nodes: Sequence[Node], changes: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of one node of a cluster; `changes` win over what is here."""
    return _roles(node, nodes) | _replication(len(nodes)) | _QUICK | _SMALL | dict(changes)


def _roles(node: Node, nodes: Sequence[Node]) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        "controller.quorum.voters": ",".join(f"{n.number}@{LOOPBACK}:{n.controller_port}" for n in nodes),
        "listeners": f"PLAINTEXT://{LOOPBACK}:{node.port},CONTROLLER://{LOOPBACK}:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{node.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(node.home / "data"),
    }


def _replication(nodes: int) -> dict[str, str]:
    replicas = str(min(nodes, _REPLICAS))
    in_sync = "2" if nodes >= _REPLICAS else "1"
    return {
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


# Nothing that only makes people wait. Short session timeouts are allowed here, not set.
_QUICK = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "300",
    "group.consumer.heartbeat.interval.ms": "300",
    "group.consumer.assignment.interval.ms": "0",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "broker.heartbeat.interval.ms": "1000",
    "broker.session.timeout.ms": "5000",
}
# Threads, partitions and buffers for two cores and a heap of 512 MB.
_SMALL = {
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.num.partitions": "5",
    "share.coordinator.state.topic.num.partitions": "5",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "group.coordinator.threads": "1",
    "share.coordinator.threads": "1",
    "log.cleaner.dedupe.buffer.size": "16777216",
}
