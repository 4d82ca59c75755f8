"""Where keys lie in a Redis Cluster: hash tags, slots, and which node holds each slot. Pure.

A cluster hashes the text between a key's first { and } to one of 16,384 slots, and runs a script on keys of one slot
only. Keys are therefore spread over 64 tags of one byte each, so that a batch needs at most 64 calls, however large.
"""

import binascii
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

SLOTS: Final = 16_384
_TAGS: Final = 64


class Node(NamedTuple):
    """A server of a cluster, as its clients reach it."""

    host: str
    port: int


def slot(tag: int) -> int:
    """Return the slot of the keys whose hash tag is one byte."""
    return binascii.crc_hqx(bytes([tag]), 0) % SLOTS


def _tag(interval: int) -> int:
    """Return the byte whose slot is nearest to the middle of one of 64 intervals of slots."""
    middle = (2 * interval + 1) * SLOTS // (2 * _TAGS)
    return min(set(range(256)) - set(b"{}"), key=lambda tag: (abs(slot(tag) - middle), tag))


# One in each interval of 256 slots: nodes that hold equal ranges of slots hold as nearly equal numbers of tags as 64
# allow (17 % of them the fullest of 6 nodes, two each of 32). Stored in keys: changing one loses claims.
TAGS: Final = bytes(_tag(interval) for interval in range(_TAGS))


def holders(shards: Iterable[Sequence[Any]], asked: Node) -> list[Node | None]:
    """Return the node that holds each slot; None: unassigned.

    Args:
        shards: the reply to CLUSTER SLOTS: first and last slot, the primary's address, replicas.
        asked: the node that replied; an address without a host is at its host.
    """
    found: list[Node | None] = [None] * SLOTS
    for first, last, primary, *_ in shards:
        found[first : last + 1] = [address(primary[0], primary[1], asked)] * (last + 1 - first)
    return found


def members(shards: Iterable[Sequence[Any]], asked: Node) -> list[Node]:
    """Return all nodes of a reply to CLUSTER SLOTS, primaries first."""
    rows = [[address(node[0], node[1], asked) for node in nodes] for _, _, *nodes in shards]
    return list(dict.fromkeys([row[0] for row in rows] + [node for row in rows for node in row[1:]]))


def address(host: bytes | str | None, port: int, asked: Node) -> Node:
    """Return the address of a node that `asked` has named: an empty host, or ?, is the host of `asked`."""
    text = host.decode() if isinstance(host, bytes) else host or ""
    return Node(asked.host if text in {"", "?"} else text, int(port))
