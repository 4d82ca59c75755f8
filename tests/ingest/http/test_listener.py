"""A listening port: what it binds, when it refuses, and that closing it loses no connection."""

import asyncio
import errno
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from ingest import answers
from ingest.http.exchange import Head, Reply
from ingest.http.listener import CannotListen, Listener, bind, shown
from tests.ingest import wire


class Fixed:
    """Answers 200 to everything, an `Application`."""

    def begin(self, head: Head, reply: Reply) -> None:
        reply(answers.ACCEPTED)

    def answered(self, answer: object, seconds: float, received: int) -> None:
        pass


@pytest.mark.parametrize(
    ("host", "reached"),
    [("127.0.0.1", ["127.0.0.1"]), ("::1", ["::1"]), ("::", ["127.0.0.1", "::1"]), ("0.0.0.0", ["127.0.0.1"])],
)
def test_families(host: str, reached: list[str]) -> None:
    """`::` is every address of both families; any other address is only itself."""
    with _bound_alone(host, {"127.0.0.1", "::1"}.difference(reached)) as bound:
        bound.listen()
        number = bound.getsockname()[1]
        assert [each for each in ("127.0.0.1", "::1") if _connects(each, number)] == reached


def test_a_machine_without_ipv6_has_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image listens on `::`; where the kernel does not know it, that is every address that there is."""
    real = socket.socket

    def without(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, kind)

    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", without)
        bound = bind(("::", 0))
        with pytest.raises(CannotListen, match=r"\[::1\]:0: Address family not supported"):
            bind(("::1", 0))
    with bound:
        assert bound.getsockname()[0] == "0.0.0.0"


def test_bound_port_refuses() -> None:
    """A port that is not open yet refuses connections rather than let them wait."""
    with bind(("127.0.0.1", 0)) as bound:
        assert not _connects(*bound.getsockname())


def test_taken_since() -> None:
    """Two processes may bind a port before either listens; the second is told when it opens."""

    async def scene() -> None:
        first = bind(("127.0.0.1", 0))
        place = first.getsockname()
        ports = [Listener(bound, Fixed(), 10) for bound in (first, bind(place))]
        await ports[0].open()
        with pytest.raises(CannotListen, match=f"cannot listen on {shown(place)}: .*in use"):
            await ports[1].open()
        for port in ports:
            await port.close(0)

    asyncio.run(scene())


def test_queued_connections_are_served() -> None:
    """Connections that the kernel has accepted, and the loop has not, are answered when the port closes."""

    async def scene() -> list[wire.Reply]:
        port = Listener(bound := bind(("127.0.0.1", 0)), Fixed(), 100)
        await port.open()
        place = bound.getsockname()
        links = [wire.connect(place) for _ in range(20)]  # the loop stands still meanwhile: all of them are queued
        closing = asyncio.create_task(port.close(wire.PATIENCE_SECONDS))
        await asyncio.sleep(0)
        assert not _connects(*place)
        for link in links:
            link.sendall(wire.post())
        await closing
        replies = [wire.answer(link) for link in links]
        for link in links:
            link.close()
        return replies

    replies = asyncio.run(scene())
    assert {(reply.status, reply.headers["connection"]) for reply in replies} == {(200, "close")}


@contextmanager
def _bound_alone(host: str, others: Iterable[str]) -> Iterator[socket.socket]:
    """Bind a port that nobody on this machine has at the other addresses; there it is held, and does not listen."""
    with ExitStack() as stack:
        for _ in range(100):
            bound = stack.enter_context(bind((host, 0)))
            try:
                for other in others:
                    stack.enter_context(bind((other, bound.getsockname()[1])))
            except CannotListen:
                continue
            yield bound
            return
        pytest.fail("no port is free at all addresses")


def _connects(host: str, number: int) -> bool:
    try:
        socket.create_connection((host, number), 5).close()
    except OSError:
        return False
    return True
