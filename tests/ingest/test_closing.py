"""How a connection ends on real sockets: nobody loses an answer to it."""

import http.client
import shutil
import socket
import subprocess
from collections.abc import Callable

import httpx
import pytest
import requests

from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.wire import event, post

SIZE = 12 * 1024 * 1024  # more than is read before the answer
SLOW = post(event(traits={"email": "slow@example.com"}))
NODE = """
const [url, size] = process.argv.slice(1);
fetch(url, {method: "POST", body: new Uint8Array(Number(size)), headers: {authorization: "Bearer x"}})
  .then(answer => console.log(answer.status), fault => console.log(fault.cause || fault));
"""


def _requests(url: str) -> int:
    return requests.post(
        url, bytes(SIZE), headers={"authorization": "Bearer x"}, timeout=wire.PATIENCE_SECONDS
    ).status_code


def _httpx(url: str) -> int:
    with httpx.Client(timeout=wire.PATIENCE_SECONDS, trust_env=False) as client:
        return client.post(url, content=bytes(SIZE), headers={"authorization": "Bearer x"}).status_code


def _http_client(url: str) -> int:
    connection = http.client.HTTPConnection(httpx.URL(url).netloc.decode(), timeout=wire.PATIENCE_SECONDS)
    connection.request("POST", "/v1/identify", bytes(SIZE), {"Authorization": "Bearer x"})
    return connection.getresponse().status


def _node(url: str) -> int:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    return int(subprocess.check_output([node, "-e", NODE, url, str(SIZE)], text=True, timeout=30))


@pytest.mark.parametrize("send", [_requests, _httpx, _http_client, _node])
def test_a_client_sees_why_it_was_cut(server: Server, send: Callable[[str], int]) -> None:
    """Of 12 MB more is thrown away than read before the refusal: the client is not reset while it sends."""
    assert send("http://{}:{}/v1/identify".format(*server.http)) == 401


@pytest.mark.parametrize("part", [post()[:-5], post()[:20], b"nonsense\r\n\r\n"], ids=["body", "head", "nonsense"])
def test_half_closed_behind_a_part(server: Server, part: bytes) -> None:
    """Three whole requests and a part of a fourth, then no more: three answers, and one to nonsense."""
    with wire.connect(server.http) as link:
        link.sendall(SLOW + post(b"{") + post() + part)
        link.shutdown(socket.SHUT_WR)
        statuses = [reply.status for reply in wire.answers(link)]
    assert statuses == [200, 400, 200, *([400] if part.startswith(b"nonsense") else [])]


def test_what_follows_the_last_request_costs_no_answer(server: Server) -> None:
    """A client that goes on sending behind `Connection: close` reads its answer, and then the end."""
    with wire.connect(server.http) as link:
        link.sendall(post(event(traits={"email": "slow@example.com"}), b"Connection: close"))
        for _ in range(20):
            link.sendall(b"x" * 65536)
        assert [reply.status for reply in wire.answers(link)] == [200]
