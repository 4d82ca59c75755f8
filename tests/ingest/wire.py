"""HTTP as bytes on a socket: requests that no client library would send, answers held to what all of them must be."""

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ingest.openapi import document
from tests.ingest.fake_server import KEY

Address = tuple[str, int]

PATIENCE_SECONDS = 60.0  # far more than is promised: the machine may be busy
EVENT = {"type": "identify", "timestamp": "2020-05-31T17:55:47.263Z", "traits": {"email": "Peter@Example.com"}}
BASIC = b"Authorization: Basic " + base64.b64encode(f"{KEY}:".encode())

CODES = set(document()["components"]["schemas"]["Refusal"]["properties"]["code"]["enum"])


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    json: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.json.get("code", ""))


def event(**fields: object) -> bytes:
    return json.dumps({**EVENT, **fields}).encode()


def post(body: bytes = event(), *headers: bytes, path: bytes = b"/v1/identify", key: bool = True) -> bytes:
    """Return a request with Content-Length, unless the headers frame it otherwise."""
    return request(b"POST", path, body, *headers, *((BASIC,) if key else ()))


def request(method: bytes, path: bytes, body: bytes, *headers: bytes) -> bytes:
    said = {header.partition(b":")[0].lower() for header in headers}
    length = [] if said & {b"content-length", b"transfer-encoding"} else [b"Content-Length: %d" % len(body)]
    return b"\r\n".join((method + b" " + path + b" HTTP/1.1", b"Host: localhost", *headers, *length, b"", body))


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, PATIENCE_SECONDS)


def exchange(address: Address, *data: bytes) -> Reply:
    """Send bytes on a connection of their own and return the first answer."""
    with connect(address) as link:
        for part in data:
            link.sendall(part)
        return answer(link)


def answer(link: socket.socket) -> Reply:
    """Return the next answer, held to what every answer must be."""
    found = list(_answers(link, 1))
    assert found, "the connection was closed without an answer"
    return found[0]


def take(link: socket.socket, count: int) -> Iterator[Reply]:
    """Yield so many answers."""
    yield from _answers(link, count)


def metric(admin: Address, name: str) -> float:
    """Return a metric without labels, or with them as Prometheus spells them."""
    with connect(admin) as link:
        link.sendall(request(b"GET", b"/metrics", b"", b"Connection: close"))
        data = b""
        while more := link.recv(65536):
            data += more
    lines = data.decode().splitlines()
    return float(next(line.rpartition(" ")[2] for line in lines if line.rpartition(" ")[0] == name))


def until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def status(address: Address, path: bytes) -> int:
    """Return the status of GET."""
    with connect(address) as link:
        link.sendall(request(b"GET", path, b"", b"Connection: close"))
        return int(link.recv(65536).split(b" ")[1])


def refuses(address: Address) -> bool:
    """Whether connections are refused there: not taken, and not left waiting either."""
    try:
        connect(address).close()
    except ConnectionRefusedError:
        return True
    return False


def answers(link: socket.socket) -> list[Reply]:
    """Return all answers until the connection is closed."""
    return list(_answers(link, None))


def is_closed(link: socket.socket) -> bool:
    """Wait for the other side to close."""
    try:
        return link.recv(1) == b""
    except ConnectionResetError:
        return True


def _answers(link: socket.socket, most: int | None) -> Iterator[Reply]:
    data = b""
    while most is None or most > 0:
        while b"\r\n\r\n" not in data:
            more = link.recv(65536)
            if not more:
                assert not data, f"an answer is cut short: {data!r}"
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {name.lower(): text for name, _, text in (line.partition(": ") for line in lines[1:])}
        if status == 100:
            continue
        length = int(headers.get("content-length", 0))
        while len(data) < length:
            more = link.recv(65536)
            assert more, "a body is cut short"
            data += more
        yield _checked(Reply(status, headers, json.loads(data[:length] or b"{}")))
        data = data[length:]
        most = None if most is None else most - 1


def _checked(reply: Reply) -> Reply:
    assert reply.headers["content-type"] == "application/json"
    assert isinstance(reply.json, dict)
    if reply.status >= 400:
        assert reply.json["success"] is False
        assert reply.json["message"]
        assert reply.code in CODES
    elif "openapi" not in reply.json and reply.status == 200:
        assert reply.json["success"] is True
    assert ("retry-after" in reply.headers) is (reply.status in {429, 503})
    return reply
