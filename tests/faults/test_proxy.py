"""The proxy between the parts: it carries everything, and can be hurt and healed."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Link, Proxy


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy.running() as running:
        yield running


@pytest.fixture
def link(proxy: Proxy) -> Iterator[Link]:
    """A link to an echo server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=[server], daemon=True).start()
        yield proxy.open(*server.getsockname())


def _echo(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_repeat, args=[connection], daemon=True).start()


def _repeat(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            return


def _connect(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), 10)


def _told(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := connection.recv(65536)):
        data += more
    return data


def test_everything_is_carried(link: Link) -> None:
    """Bytes arrive whole and in order, both ways."""
    sent = bytes(range(256)) * 2000
    with _connect(link) as connection:
        threading.Thread(target=connection.sendall, args=[sent], daemon=True).start()
        assert _told(connection, len(sent)) == sent


def test_the_end_of_one_side_is_the_end_of_the_other(link: Link) -> None:
    """Who closes a connection is seen to have closed it."""
    with _connect(link) as connection:
        connection.sendall(b"last")
        assert _told(connection, 4) == b"last"
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_cut_and_healed(proxy: Proxy, link: Link) -> None:
    """A cut ends what is open and what is tried; once healed, a new connection works."""
    with _connect(link) as connection:
        connection.sendall(b"before")
        assert _told(connection, 6) == b"before"
        proxy.tell(link.cut)
        assert _is_ended(connection)
    with _connect(link) as refused:
        assert _is_ended(refused)
    proxy.tell(link.heal)
    with _connect(link) as again:
        again.sendall(b"after")
        assert _told(again, 5) == b"after"


def _is_ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_black_hole_gives_back_what_it_held(proxy: Proxy, link: Link) -> None:
    """While it lasts nothing passes and no connection is reset; then everything arrives, on new connections, too."""
    with _connect(link) as connection:
        proxy.tell(link.hold)
        connection.sendall(b"held")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        with _connect(link) as new:
            new.sendall(b"new")
            proxy.tell(link.heal)
            connection.settimeout(10)
            assert _told(connection, 4) == b"held"
            assert _told(new, 3) == b"new"


def test_one_way(proxy: Proxy, link: Link) -> None:
    """What is held one way passes the other, and arrives when healed; new connections need both."""
    with _connect(link) as connection:
        connection.sendall(b"before")
        assert _told(connection, 6) == b"before"
        proxy.tell(lambda: link.hold("answers"))
        connection.sendall(b"asked")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        assert proxy.ask(lambda: link.held) == 1  # the echo: the request itself has passed
        proxy.tell(link.heal)
        connection.settimeout(10)
        assert _told(connection, 5) == b"asked"
        proxy.tell(lambda: link.hold("requests"))
        with _connect(link) as new:
            connection.sendall(b"later")
            new.sendall(b"new")
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            assert proxy.ask(lambda: link.held) == 2
            proxy.tell(link.heal)
            connection.settimeout(10)
            assert _told(connection, 5) == b"later"
            assert _told(new, 3) == b"new"


def test_delayed(proxy: Proxy, link: Link) -> None:
    """What passes a slow link is late by at least its delay, twice for an answer."""
    proxy.tell(lambda: link.delay(0.2))
    with _connect(link) as connection:
        began = time.monotonic()
        connection.sendall(b"slow")
        assert _told(connection, 4) == b"slow"
        assert time.monotonic() - began >= 0.4


def test_a_server_that_is_away(proxy: Proxy) -> None:
    """A link to nobody ends each connection, and lives on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
    link = proxy.open(host, port)
    for _ in range(2):
        with _connect(link) as connection:
            assert _is_ended(connection)
