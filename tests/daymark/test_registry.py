"""A schema registry's part: values carry its ids, and readers find their schemas by them; and what it may answer."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest

from daymark import registries, registry
from daymark.registries import Registry, Site
from daymark.settings import SettingsFaults, load
from schemas import avro
from tests.edge import authority
from tests.flows import Road, visit

Answer = Callable[["_Handler"], None]


class Server(ThreadingHTTPServer):
    """A stand-in that registers what it is given, and answers otherwise where a test says so.

    `answers` are for the next requests, in order; `always` is for every request to a path that ends so.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.schemas: list[str] = []
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        self.answers: list[Answer] = []
        self.always: dict[str, Answer] = {}

    def handle_error(self, *_: object) -> None:
        """A client that does not trust the certificate hangs up."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._is_scripted():
            return
        there, schemas = asked["schema"] in self.server.schemas, self.server.schemas
        if self.path.endswith("/versions") and not there:
            schemas.append(asked["schema"])
        elif not there:
            self.reply(404, {"error_code": 40403, "message": "Schema not found"})
            return
        self.reply(200, {"id": schemas.index(asked["schema"]) + 100, "version": 1})

    def do_GET(self) -> None:
        if self._is_scripted():
            return
        last = self.path.rpartition("/")[2]
        index = int(last) - 100 if last.isdecimal() else len(self.server.schemas) - 1
        if 0 <= index < len(self.server.schemas):
            self.reply(200, {"id": index + 100, "schema": self.server.schemas[index]})
        else:
            self.reply(404, {"error_code": 40403, "message": "Schema not found"})

    def reply(self, status: int, body: object, **headers: str) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(text))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def _is_scripted(self) -> bool:
        self.server.asked.append(f"{self.command} {self.path}")
        self.server.authorizations.append(self.headers["Authorization"])
        answer = next((of for end, of in self.server.always.items() if self.path.endswith(end)), None)
        if answer is None and self.server.answers:
            answer = self.server.answers.pop(0)
        if answer is not None:
            answer(self)
        return answer is not None

    def log_message(self, *_: object) -> None:
        pass


def reply(status: int, body: object, **headers: str) -> Answer:
    return lambda handler: handler.reply(status, body, **headers)


@pytest.fixture
def start() -> Iterator[Callable[[], Server]]:
    """Start stand-ins; they end with the test."""
    servers: list[tuple[Server, threading.Thread]] = []

    def start() -> Server:
        server = Server()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(start: Callable[[], Server]) -> Server:
    return start()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_PAUSES_S", (0.0, 0.01, 0.01, 0.01))


def at(*urls: str, may_register: bool = True) -> Registry:
    return Registry(registries.sites(",".join(urls)), may_register)


REJECTED = {
    "reason": "too_large",
    "message": "m",
    "stage": "ingest",
    "workspace": None,
    "raw": b"x",
    "received_at": None,
}
REJECTED |= {"source_partition": None, "source_offset": None}


def test_values_carry_the_registrys_id(server: Server) -> None:
    """A registered codec writes Confluent's frame, and a reader with the registry reads it."""
    codec = registry.registered(at(server.url), "t", avro.REJECTED)
    value = codec.encode(REJECTED)
    assert value[:5] == b"\x00\x00\x00\x00\x64"
    assert avro.decode(value, registry.lookup(at(server.url))) == ("RejectedEvent", REJECTED)
    assert server.asked == ["POST /subjects/t-value", "POST /subjects/t-value/versions", "GET /schemas/ids/100"]


def test_what_is_there_is_not_registered(server: Server) -> None:
    """A second start only looks; a registry that lets nobody write will do."""
    registry.registered(at(server.url), "t", avro.REJECTED)
    server.asked.clear()
    server.always["/versions"] = reply(422, {"error_code": 42205, "message": "Subject is in read-only mode"})
    for may_register in (True, False):
        codec = registry.registered(at(server.url, may_register=may_register), "t", avro.REJECTED)
        assert codec.encode(REJECTED)[:5] == b"\x00\x00\x00\x00\x64"
    assert server.asked == ["POST /subjects/t-value"] * 2


@pytest.mark.parametrize("status", [401, 403, 405, 422])
def test_the_same_schema_in_other_words_will_do(server: Server, status: int) -> None:
    """One that somebody registered by hand, without docs, is ours when ours cannot be registered."""
    bare = avro.REJECTED.source | {"doc": "by hand", "fields": [
        {name: value for name, value in field.items() if name != "doc"} for field in avro.REJECTED.source["fields"]
    ]}  # fmt: skip
    server.schemas += ["{}", json.dumps(bare, indent=1)]
    assert registry.registered(at(server.url, may_register=False), "t", avro.REJECTED).header[-1] == 101
    server.always["/versions"] = reply(status, {"message": "denied"})
    assert registry.registered(at(server.url), "t", avro.REJECTED).header[-1] == 101


def test_nothing_is_registered_where_that_is_not_allowed(server: Server) -> None:
    """The message says what is missing, and which setting forbids it."""
    server.schemas.append('"string"')
    with pytest.raises(click.ClickException, match=r"RejectedEvent.avsc as t-value.*_REGISTER"):
        registry.registered(at(server.url, may_register=False), "t", avro.REJECTED)
    assert len(server.schemas) == 1


def test_a_refusal_is_said(server: Server) -> None:
    """An incompatible schema is a person's to mend."""
    server.always["/versions"] = reply(409, {"error_code": 409, "message": "incompatible"})
    with pytest.raises(click.ClickException, match=r"409 incompatible"):
        registry.registered(at(server.url), "t", avro.REJECTED)


@pytest.mark.parametrize(
    "answer",
    [
        reply(503, {"error_code": 50302, "message": "leader not known"}),
        reply(502, b"<html>"),
        reply(500, {"message": "timed out"}),
        reply(429, {}),
        lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n"),
        lambda handler: handler.connection.close(),
        reply(200, b"<html>starting</html>"),
    ],
)
def test_a_restart_is_waited_for(server: Server, answer: Answer) -> None:
    """What may be another answer in a moment is asked again, and the other addresses are asked at once."""
    server.answers = [answer] * 2
    assert registry.registered(at("http://127.0.0.1:1", server.url), "t", avro.REJECTED).header[-1] == 100
    assert server.asked[:3] == ["POST /subjects/t-value"] * 3


def test_every_address_is_asked(start: Callable[[], Server]) -> None:
    """The first that answers will do."""
    away, here = start(), start()
    away.always[""] = reply(503, {})
    assert registry.registered(at(away.url, here.url), "t", avro.REJECTED).header[-1] == 100
    assert len(away.asked) == len(here.asked) == 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_followed(start: Callable[[], Server], status: int) -> None:
    """To the leader, say, also of a POST; whoever is none of the registry's addresses gets no credentials."""
    follower, leader = start(), start()
    follower.always["/t-value"] = reply(status, b"", Location=f"{leader.url}/subjects/t-value")
    follower.always["/versions"] = reply(status, b"", Location="/moved/versions/")
    follower.answers = [reply(200, {"id": 7})]
    with_password = follower.url.replace("//", "//user:hush@")
    assert registry.registered(at(with_password), "t", avro.REJECTED).header[-1] == 7
    assert (leader.authorizations, leader.asked) == ([None], ["POST /subjects/t-value"])
    assert follower.authorizations == ["Basic dXNlcjpodXNo"] * 3
    follower.answers = [reply(200, {"id": 7})]
    assert registry.registered(at(with_password, leader.url), "t", avro.REJECTED).header[-1] == 7
    assert leader.authorizations[-1] == "Basic dXNlcjpodXNo"


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, {"version": 1}),
        reply(200, {"id": "7"}),
        reply(200, {"id": True}),
        reply(200, {"id": -1}),
        reply(200, {"id": 1 << 32}),
        reply(200, []),
        reply(200, b"{" * 100_000),
        reply(200, b"\xff\xfe"),
        reply(409, b"\xff\xfe"),
        reply(400, []),
        reply(401, {"message": "who\x1b[31m are\r\nyou"}),
        reply(307, b"", Location="/x"),
        reply(307, b"", Location="ftp://example.com/"),
        reply(307, b""),
        lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n"),
        lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"),
    ],
)
def test_nonsense_is_one_line_without_the_password(server: Server, answer: Answer) -> None:
    """Whatever answers, to a start and to a reader; no traceback, nothing that moves the cursor."""
    server.always[""] = answer
    known = at(server.url.replace("//", "//user:hu#sh@"))
    with pytest.raises(click.ClickException) as said:
        registry.registered(known, "t", avro.REJECTED)
    with pytest.raises(click.ClickException) as also_said:
        registry.lookup(known)(5)
    for message in (said.value.message, also_said.value.message):
        assert message.isprintable()
        assert "sh@" not in message
        assert "user" not in message
        assert len(message) < 600


@pytest.mark.parametrize("schema", [None, 5, "x", "[]", '"string"', "[" * 100_000])
def test_a_schema_that_is_none_is_said(server: Server, schema: object) -> None:
    server.always[""] = reply(200, {"schema": schema})
    with pytest.raises(click.ClickException, match="no Avro record's schema"):
        registry.lookup(at(server.url))(5)


def test_an_unknown_id_is_said(server: Server) -> None:
    with pytest.raises(click.ClickException, match="schema"):
        registry.lookup(at(server.url))(5)


def test_silence_is_said() -> None:
    with pytest.raises(click.ClickException, match="DAYMARK_SCHEMA_REGISTRY"):
        registry.registered(at("http://127.0.0.1:9"), "t", avro.REJECTED)


def test_a_token_and_an_authority_of_ones_own(server: Server, tmp_path: Path) -> None:
    """Both are read from files; where the certificate is not trusted, the message says what to set."""
    files = authority.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    (tmp_path / "token").write_text("secret-token\n")
    environ = {
        "DAYMARK_SCHEMA_REGISTRY": server.url.replace("http", "https"),
        "DAYMARK_SCHEMA_REGISTRY_TOKEN_FILE": str(tmp_path / "token"),
    }
    plain = load(environ).schema_registry
    assert plain is not None
    with pytest.raises(click.ClickException, match="DAYMARK_SCHEMA_REGISTRY_CA"):
        registry.registered(plain, "t", avro.REJECTED)
    trusting = load(environ | {"DAYMARK_SCHEMA_REGISTRY_CA_FILE": str(files.ca)})
    assert "secret-token" not in repr(trusting)
    assert "secret-token" not in repr(trusting.schema_registry)
    assert trusting.schema_registry is not None
    assert registry.registered(trusting.schema_registry, "t", avro.REJECTED).header[-1] == 100
    assert set(server.authorizations) == {"Bearer secret-token"}


def test_an_authority_that_is_none_is_said(server: Server) -> None:
    known = Registry(registries.sites(server.url), authority="-----BEGIN CERTIFICATE-----\nnone")
    with pytest.raises(click.ClickException, match="DAYMARK_SCHEMA_REGISTRY_CA"):
        registry.registered(known, "t", avro.REJECTED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a", (Site("http://a"),)),
        ("https://a:8081/", (Site("https://a:8081"),)),
        ("http://a:1, http://b:2/x/", (Site("http://a:1"), Site("http://b:2/x"))),
        ("http://[::1]:8081", (Site("http://[::1]:8081"),)),
        ("http://u:p@a", (Site("http://a", ("u", "p")),)),
        ("http://u@a", (Site("http://a", ("u", "")),)),
        ("http://u:hunter2#x@a:1", (Site("http://a:1", ("u", "hunter2#x")),)),
        ("http://u:a/b@c?d#e@a/x", (Site("http://a/x", ("u", "a/b@c?d#e")),)),
        ("http://u:a,b:%@a,http://v:w@b", (Site("http://a", ("u", "a,b:%")), Site("http://b", ("v", "w")))),
        ("http://u:p%40%2Fq%25@a", (Site("http://a", ("u", "p@/q%")),)),
    ],
)
def test_urls_are_understood(text: str, expected: tuple[Site, ...]) -> None:
    """A password may hold anything, as it is or percent-encoded."""
    assert registries.sites(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "registry:8081",
        "ftp://a",
        "http://",
        "http://a:abc",
        "http://a:0",
        "http://a:65536",
        "http://a?x=1",
        "http://a#x",
        "http://user:hunter2",
        "http://user:hunter2#x@",
        "http://user:hunter2@a b",
        "http://user:hunter2@a:99999",
        "http://a,b:hunter2",
        "http://a:1,,hunter2",
    ],
)
def test_urls_that_are_none_are_refused_without_a_word_of_them(text: str) -> None:
    """Exit status 2, with what is wanted; a password that was misplaced is not repeated."""
    with pytest.raises(SettingsFaults) as caught:
        load({"DAYMARK_SCHEMA_REGISTRY": text})
    (fault,) = caught.value.faults
    assert fault.startswith("DAYMARK_SCHEMA_REGISTRY: expected comma-separated URLs such as http://registry:8081")
    assert "hunter2" not in fault


def test_a_token_beside_a_password_is_refused() -> None:
    with pytest.raises(SettingsFaults) as caught:
        load({"DAYMARK_SCHEMA_REGISTRY": "http://u:hunter2@a", "DAYMARK_SCHEMA_REGISTRY_TOKEN": "hunter3"})
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["DAYMARK_SCHEMA_REGISTRY_TOKEN"]
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(("name", "text"), [("TOKEN", "two words"), ("CA", "/etc/ca.pem"), ("REGISTER", "maybe")])
def test_other_settings_of_a_registry_are_checked(name: str, text: str) -> None:
    with pytest.raises(SettingsFaults, match=f"DAYMARK_SCHEMA_REGISTRY_{name}: "):
        load({"DAYMARK_SCHEMA_REGISTRY": "http://a", f"DAYMARK_SCHEMA_REGISTRY_{name}": text})


def test_workers_write_with_a_registry(
    server: Server, kafka: str, redis_url: str, topics: object, claim_key: bytes
) -> None:
    """With a registry set, interactions and rejections go out in Confluent's frame."""
    road = Road(kafka, redis_url, topics, claim_key)  # type: ignore[arg-type]
    road.send([visit(1), ("", b"nonsense")])
    with road.worker(DAYMARK_SCHEMA_REGISTRY=server.url):
        road.wait_settled()
    for topic, name in ((road.topics.interactions, "TimelineInteraction"), (road.topics.rejected, "RejectedEvent")):
        (record,) = road.committed(topic)
        assert record.value[0] == 0
        assert avro.decode(record.value, registry.lookup(at(server.url)))[0] == name
