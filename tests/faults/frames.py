"""Kafka's frames, as far as a proxy needs them: the headers of requests, and addresses and errors in answers.

Source: the Kafka protocol guide. Invariant: a frame keeps its length whatever is changed in it.
"""

import asyncio
import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple

_SIZE_BYTES: Final = 4


class Api(IntEnum):
    """The keys of the requests that are named here."""

    PRODUCE = 0
    METADATA = 3
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28
    ALTER_PARTITION_REASSIGNMENTS = 45


TRANSACTION: Final = (
    Api.PRODUCE,
    Api.ADD_PARTITIONS_TO_TXN,
    Api.ADD_OFFSETS_TO_TXN,
    Api.TXN_OFFSET_COMMIT,
    Api.END_TXN,
)
# Where the (last) error code of an answer is, from its end: in the versions that librdkafka 2.16 speaks.
_ERROR_AT: Final = {
    Api.ADD_PARTITIONS_TO_TXN: -2,  # version 0
    Api.ADD_OFFSETS_TO_TXN: -2,  # 0
    Api.TXN_OFFSET_COMMIT: -5,  # 3: before the tags of the partition, of the topic and of the whole
    Api.END_TXN: -2,  # 1
}
_TELL_ADDRESSES: Final = {
    Api.METADATA,
    Api.FIND_COORDINATOR,
    Api.PRODUCE,
}  # the last where a leader has moved (KIP-951)


class Request(NamedTuple):
    """A request: its header's fields, and the whole frame with its size."""

    api: int
    version: int
    correlation: int
    frame: bytes


class Address(NamedTuple):
    """Where a node says that it can be reached."""

    host: str
    port: int

    @property
    def packed(self) -> bytes:
        """As it is in an answer: the text, then four bytes."""
        return self.host.encode() + struct.pack(">i", self.port)


async def read(reader: asyncio.StreamReader) -> bytes:
    """Return the next frame with its size, or nothing when the connection has ended."""
    try:
        size = await reader.readexactly(_SIZE_BYTES)
        return size + await reader.readexactly(int.from_bytes(size))
    except (asyncio.IncompleteReadError, OSError):
        return b""


def parse(frame: bytes) -> Request:
    """Return the request that a frame holds."""
    api, version, number = struct.unpack_from(">hhi", frame, _SIZE_BYTES)
    return Request(api, version, number, frame)


def correlation(frame: bytes) -> int:
    """Return the correlation id of an answer."""
    found: int = struct.unpack_from(">i", frame, _SIZE_BYTES)[0]
    return found


def error(api: Api, answer: bytes) -> int:
    """Return the error code in an answer to a request of a transaction, but not to a Produce."""
    found: int = struct.unpack_from(">h", answer, len(answer) + _ERROR_AT[api])[0]
    return found


def moved(api: int, answer: bytes, ports: Mapping[Address, int]) -> bytes:
    """Return an answer whose nodes are reached at other ports of the same hosts."""
    if api in _TELL_ADDRESSES:
        for address, port in ports.items():
            answer = answer.replace(address.packed, address._replace(port=port).packed)
    return answer
