"""Traps for single requests: what is caught is cut off, held, repeated or overtaken, and everything else passes."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults import frames
from tests.faults.frames import Address, Api
from tests.faults.proxy import Link, Proxy
from tests.faults.traps import Act, Trap, Traps
from tests.flows import wait_until


def request(number: int, api: Api = Api.END_TXN) -> bytes:
    """Return a request with a correlation id."""
    head = struct.pack(">hhih", api, 1, number, -1)
    return len(head).to_bytes(4) + head


def answer(number: int) -> bytes:
    """Return an answer that says that all went well."""
    body = struct.pack(">iih", number, 0, 0)
    return len(body).to_bytes(4) + body


class Node:
    """A server that notes the correlation ids of requests in the order of their arrival, and answers each."""

    def __init__(self) -> None:
        self.arrived: list[int] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def has(self, *numbers: int) -> None:
        wait_until(lambda: self.arrived == [*numbers], f"{numbers} have arrived")

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            while size := stream.read(4):
                number = frames.parse(size + stream.read(int.from_bytes(size))).correlation
                self.arrived.append(number)
                connection.sendall(answer(number))


class Road:
    """A node, the way to it, and its traps."""

    def __init__(self, proxy: Proxy) -> None:
        self.node, self.traps, self.proxy = Node(), Traps(), proxy
        host, port = self.node.server.getsockname()
        self.link: Link = proxy.open(host, port, traps=self.traps)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.link.port), 10)

    def trap(self, act: Act, before: Api | None = None, after_s: float | None = None) -> Trap:
        made = Trap(Api.END_TXN, act, before, after_s=after_s)
        self.traps.set(made)
        return made

    def release(self, trap: Trap) -> None:
        self.proxy.start(trap.release())


@pytest.fixture
def road() -> Iterator[Road]:
    with Proxy.running() as proxy:
        made = Road(proxy)
        yield made
        made.node.server.close()


def test_others_pass(road: Road) -> None:
    """Another API, and a second request of the same one, are not caught."""
    road.trap(Act.REPEAT)
    with road.connect() as connection:
        connection.sendall(request(1, Api.METADATA) + request(2) + request(3))
        road.node.has(1, 2, 3)


def test_reset(road: Road) -> None:
    """The client's connection is reset; the request arrives when released, and is answered to the trap."""
    trap = road.trap(Act.RESET)
    with road.connect() as connection:
        connection.sendall(request(1))
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    with road.connect() as connection:
        connection.sendall(request(2))
        road.node.has(2)
    road.release(trap)
    road.node.has(2, 1)
    wait_until(trap.delivered.is_set, "it is answered")
    assert frames.error(Api.END_TXN, trap.answer) == 0


def test_hold(road: Road) -> None:
    """Nothing more passes on that connection, silently; other connections continue."""
    trap = road.trap(Act.HOLD)
    with road.connect() as held, road.connect() as other:
        held.sendall(request(1) + request(2))
        wait_until(trap.caught.is_set, "it is caught")
        other.sendall(request(3))
        road.node.has(3)
        road.release(trap)
        road.node.has(3, 1)


def test_delay(road: Road) -> None:
    """It goes on where it was, and what waits behind it, too."""
    trap = road.trap(Act.DELAY)
    with road.connect() as late, road.connect() as other:
        late.sendall(request(1) + request(2))
        wait_until(trap.caught.is_set, "it is caught")
        other.sendall(request(3))
        road.node.has(3)
        road.release(trap)
        road.node.has(3, 1, 2)


def test_repeat(road: Road) -> None:
    trap = road.trap(Act.REPEAT)
    with road.connect() as connection:
        connection.sendall(request(1) + request(2))
        road.node.has(1, 2)
        road.release(trap)
        road.node.has(1, 2, 1)


def test_reorder(road: Road) -> None:
    road.trap(Act.REORDER)
    with road.connect() as connection:
        connection.sendall(request(1) + request(2) + request(3))
        road.node.has(2, 1, 3)


def test_released_by_a_later_request(road: Road) -> None:
    """What was caught arrives just before the next request of another API."""
    road.trap(Act.REPEAT, before=Api.PRODUCE)
    with road.connect() as connection:
        connection.sendall(request(1) + request(2, Api.METADATA))
        road.node.has(1, 2)
        connection.sendall(request(3, Api.PRODUCE))
        road.node.has(1, 2, 1, 3)


def test_released_by_time(road: Road) -> None:
    road.trap(Act.REPEAT, after_s=0.1)
    with road.connect() as connection:
        connection.sendall(request(1))
        road.node.has(1, 1)


def test_a_removed_trap_lets_go(road: Road) -> None:
    """One that has caught nothing catches nothing more; what waited goes on."""
    trap = road.trap(Act.DELAY)
    with road.connect() as connection:
        connection.sendall(request(1))
        wait_until(trap.caught.is_set, "it is caught")
        road.proxy.start(road.traps.remove(trap))
        road.node.has(1)


def test_a_single_connection_is_reset(road: Road) -> None:
    """Of several, one; the others go on."""
    with road.connect() as first, road.connect() as second:
        for number, connection in enumerate((first, second)):
            connection.sendall(request(number))
            assert connection.recv(100) == answer(number)
        road.proxy.tell(road.link.reset_one)
        ended = [_is_reset(connection) for connection in (first, second)]
    assert sorted(ended) == [False, True]


def _is_reset(connection: socket.socket) -> bool:
    connection.settimeout(0.5)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def test_nodes_are_found_at_other_ports() -> None:
    """In responses with addresses, and in no others; the length stays the same."""
    told = b"..127.0.0.1" + (9092).to_bytes(4) + b".."
    moves = {Address("127.0.0.1", 9092): 1234}
    assert frames.moved(Api.METADATA, told, moves) == b"..127.0.0.1" + (1234).to_bytes(4) + b".."
    assert frames.moved(Api.PRODUCE, told, moves) == frames.moved(Api.METADATA, told, moves)
    assert frames.moved(Api.END_TXN, told, moves) == told
