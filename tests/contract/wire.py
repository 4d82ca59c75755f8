"""One connection to a Kafka node, for requests that no driver sends as a test wants them: their fields, packed by hand.

Source: the Kafka protocol guide. Only what `test_rules` asks for, in versions that every broker of 4.x takes.
"""

import socket
import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from confluent_kafka import KafkaError

_HEARTBEAT, _TXN_OFFSETS = 68, 28
_TIMEOUT_S: Final = 60.0
_TRANSACTION_MS: Final = 30_000
_POLYNOMIAL: Final = 0x82F63B78  # of CRC-32C, reflected


class Producer(NamedTuple):
    """A transactional producer: its name, its id and its epoch."""

    tid: str
    pid: int
    epoch: int


class Share(NamedTuple):
    """The answer to a heartbeat. `partitions`: None, if they are as they were."""

    error: str
    epoch: int
    partitions: frozenset[int] | None
    topic: bytes | None  # the id of the one topic


class Wire:
    """Asks one node, one request at a time. The only node of its cluster leads and coordinates everything."""

    def __init__(self, bootstrap: str) -> None:
        host, port = bootstrap.split(",", maxsplit=1)[0].rsplit(":", 1)
        self._socket = socket.create_connection((host, int(port)), _TIMEOUT_S)

    def close(self) -> None:
        self._socket.close()

    def begin(self, tid: str) -> tuple[str, Producer]:
        """Return the error, and a new producer."""
        answer = self._ask(22, 0, _text(tid) + struct.pack(">i", _TRANSACTION_MS))
        error, pid, epoch = struct.unpack_from(">hqh", answer, 4)
        return _named(error), Producer(tid, pid, epoch)

    def add_partition(self, producer: Producer, topic: str) -> str:
        """Announce partition 0 of a topic in a transaction."""
        tid, pid, epoch = producer
        body = _text(tid) + struct.pack(">qhi", pid, epoch, 1) + _text(topic) + struct.pack(">ii", 1, 0)
        return _last_error(self._ask(24, 0, body), 0)

    def add_offsets(self, producer: Producer, group: str) -> str:
        """Announce a group's offsets in a transaction."""
        tid, pid, epoch = producer
        return _last_error(self._ask(25, 0, _text(tid) + struct.pack(">qh", pid, epoch) + _text(group)), 0)

    def commit_offset(self, producer: Producer, group: str, member: tuple[str, int], place: tuple[str, int]) -> str:
        """Take an offset of 1 into a transaction, for a member of a group and its epoch."""
        (tid, pid, epoch), (name, generation) = producer, member
        body = _compact(tid) + _compact(group) + struct.pack(">qhi", pid, epoch, generation) + _compact(name) + b"\0"
        partition = struct.pack(">iqi", place[1], 1, -1) + b"\0\0"  # no metadata, no tags
        body += b"\x02" + _compact(place[0]) + b"\x02" + partition + b"\0\0"
        return _last_error(self._ask(_TXN_OFFSETS, 3, body, is_flexible=True), 3)

    def end(self, producer: Producer) -> str:
        """Abort a transaction."""
        tid, pid, epoch = producer
        return _last_error(self._ask(26, 0, _text(tid) + struct.pack(">qh?", pid, epoch, False)), 0)

    def produce(self, producer: Producer, topic: str, sequence: int) -> str:
        """Write one record into partition 0 of a topic, by its sequence number."""
        tid, pid, epoch = producer
        batch = _batch(pid, epoch, sequence)
        body = _text(tid) + struct.pack(">hii", -1, int(_TIMEOUT_S * 1000), 1) + _text(topic)
        body += struct.pack(">iii", 1, 0, len(batch)) + batch
        answer = self._ask(0, 3, body)
        return _named(struct.unpack_from(">h", answer, 4 + 2 + len(topic) + 4 + 4)[0])

    def heartbeat(
        self, group: str, member: str, epoch: int, topic: str, owned: tuple[bytes, Iterable[int]] | None
    ) -> Share:
        """Be a member of the consumer protocol: epoch 0 joins, `owned` says which partitions of a topic's id it has."""
        body = _compact(group) + _compact(member) + struct.pack(">i", epoch) + b"\0\0"  # no instance, no rack
        body += struct.pack(">i", _TRANSACTION_MS) + b"\x02" + _compact(topic) + b"\0\0"  # no expression, no assignor
        if owned is None:
            body += b"\x01"
        else:
            partitions = sorted(owned[1])
            body += b"\x02" + owned[0] + _varint(len(partitions) + 1)
            body += struct.pack(f">{len(partitions)}i", *partitions) + b"\0"
        return _share(self._ask(_HEARTBEAT, 1, body + b"\0", is_flexible=True))

    def _ask(self, api: int, version: int, body: bytes, *, is_flexible: bool = False) -> bytes:
        """Send a request and return its answer's body."""
        header = struct.pack(">hhi", api, version, 0) + _text("contract") + (b"\0" if is_flexible else b"")
        self._socket.sendall(struct.pack(">i", len(header + body)) + header + body)
        size = struct.unpack(">i", self._read(4))[0]
        return self._read(size)[5 if is_flexible else 4 :]

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            found += (part := self._socket.recv(size - len(found)))
            assert part, "the broker has closed the connection: it cannot read the request"
        return found


def _share(answer: bytes) -> Share:
    error = struct.unpack_from(">h", answer, 4)[0]
    at = 6
    for _ in range(2):  # the message and the member's id
        at += max(answer[at], 1)  # both are shorter than 127 bytes
    epoch, _, is_there = struct.unpack_from(">iib", answer, at)
    at += 9
    if is_there < 0 or answer[at] < 2:
        return Share(_named(error), epoch, frozenset() if is_there > 0 else None, None)
    topic, count = answer[at + 1 : at + 17], answer[at + 17] - 1
    return Share(_named(error), epoch, frozenset(struct.unpack_from(f">{count}i", answer, at + 18)), topic)


def _last_error(answer: bytes, tags: int) -> str:
    return _named(struct.unpack_from(">h", answer, len(answer) - tags - 2)[0])


def _named(error: int) -> str:
    return "" if error == 0 else KafkaError(error).name()


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _compact(text: str) -> bytes:
    return _varint(len(text) + 1) + text.encode()


def _varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


def _batch(pid: int, epoch: int, sequence: int) -> bytes:
    """Return a transactional batch of one record without a key, in the format of version 2."""
    record = b"\0\0\0\x01\x02x\0"  # attributes, deltas of time and offset, no key, one byte, no headers
    fields = struct.pack(">hiqqqhii", 0x10, 0, 0, 0, pid, epoch, sequence, 1)
    checked = fields + _varint(len(record) * 2) + record
    return struct.pack(">qiibI", 0, len(checked) + 9, -1, 2, _crc(checked)) + checked


def _crc(data: Sequence[int]) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
