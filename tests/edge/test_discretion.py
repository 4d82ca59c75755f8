"""Keys and e-mails are in no log line, no metric and no error; response times reveal nothing about a key."""

import ast
import base64
import inspect
import secrets as random_secrets
from pathlib import Path

import pytest

from ingest import answers, keys
from schemas import workspace
from schemas.workspace import Workspaces, digest
from tests import discretion
from tests.ingest import wire
from tests.ingest.conftest import Server
from tests.ingest.fake_server import KEY

ROOT = Path(__file__).parents[2]

LINE = '{{"event": "batch.aborted", "level": "warning", "error": "{}"}}'


@pytest.mark.parametrize(
    "leak",
    [
        "peter@example.com",
        "no address: a@b",
        "rediss://worker:secret@127.0.0.1",
        "peter%40example.com",
        "daymark_" + "aB3-_" * 8,
        "Basic ZGs6",
        "the claim key 00112233445566778899",
    ],
)
def test_what_is_looked_for_is_found(leak: str) -> None:
    """The ear hears: each of these in a line of a log is a leak, in JSON, on a console, and from the driver."""
    environment = {"DAYMARK_CLAIM_KEY": "00112233445566778899"}
    console = f"2026-11-25T01:03:52Z [warning  ] batch.aborted  error={leak}"
    for line in (LINE.format(leak), console, f"%3|1795573437.067|FAIL|daymark#producer-1| {leak}", f"Error: {leak}"):
        assert discretion.leaks(f"fine\n{line}\nfine", environment) == [line]


@pytest.mark.parametrize(
    "line",
    [
        LINE.format("Broker: Topic authorization failed; daymark-daymark-0, daymark_ingest_requests_total"),
        '{"topic": "timeline.interactions", "record": {"email": "peter@example.com"}}',
        "2026-11-25T01:03:52.320Z  demo  2026-11-25  peter@example.com  https://example.com  5:0",
    ],
)
def test_what_is_no_leak_is_none(line: str) -> None:
    """What a person asked to see is no log."""
    assert discretion.leaks(line) == []


def test_no_answer_and_no_metric_repeats_what_was_sent(server: Server) -> None:
    """Whatever is refused, neither the answer nor the metrics have anything of the key or of the event in them."""
    word = "w" + random_secrets.token_hex(8)
    bodies = (
        b'{"type":"identify","timestamp":"%s","email":"%s@example.com"}',
        b'{"type":"%s","email":"%s@example.com"}',
        b'{"batch":[{"%s":"%s"}]}',
        b'{"%s":"%s',
    )
    for body in bodies:
        sent = body % (word.encode(), word.encode())
        for key in (f"Bearer {word}", "Basic " + base64.b64encode(word.encode()).decode(), f"Bearer {KEY}"):
            for path in (b"/v1/identify", b"/v1/batch", b"/v1/track", f"/v1/{word}".encode()):
                header = b"Authorization: " + key.encode()
                reply = wire.exchange(server.http, wire.post(sent, header, path=path, key=False))
                assert reply.status >= 400
                assert word not in str(reply)
    assert word not in _metrics(server)
    assert "@" not in _metrics(server)


def test_keys_are_compared_as_digests_only() -> None:
    """A key becomes a SHA-256 digest before anything is compared, and the digest is looked up, not compared in turn.

    A look-up takes a time that depends on the digest's hash in this process, and tells at most that some prefix of a
    digest is known. From that nobody comes to a key: it would take a preimage of SHA-256, and a key is 32 random bytes.
    """
    tree = ast.parse(inspect.getsource(keys))
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert all(" key" not in each.replace("key is", "") for each in compared if "==" in each), compared
    looked_up = [ast.unparse(node) for node in ast.walk(tree) if "by_digest" in ast.unparse(node)]
    assert "workspaces.by_digest.get(workspace.digest(key))" in looked_up
    assert len(digest("x")) == 32
    known = Workspaces({}, {digest("right"): "acme"})
    seen: list[object] = []

    class Watched(dict[bytes, str]):
        def get(self, key: bytes, default: object = None) -> object:  # type: ignore[override]
            seen.append(key)
            return super().get(key, default)

    watched = Workspaces({}, Watched(known.by_digest))
    assert keys.workspace_of(("wrong", "right"), watched) == "acme"
    assert keys.workspace_in_body(b'{"writeKey":"wrong"}', watched, 10) == answers.UNKNOWN_KEY
    assert seen == [workspace.digest(key) for key in ("wrong", "right", "wrong")]


def test_no_log_line_is_made_from_what_was_sent() -> None:
    """Calls of a log give it names, numbers and errors; nothing called a body, a key, a value or an e-mail."""
    said = []
    for path in (path for package in ("ingest", "processor", "daymark") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
                said += [word.id for part in node.keywords for word in ast.walk(part) if isinstance(word, ast.Name)]
    assert not {"body", "email", "event", "key", "payload", "raw", "value", "authorization"} & set(said)


def _metrics(server: Server) -> str:
    with wire.connect(server.admin) as link:
        link.sendall(wire.request(b"GET", b"/metrics", b"", b"Connection: close"))
        data = b""
        while more := link.recv(65536):
            data += more
    return data.decode()
