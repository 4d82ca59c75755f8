"""A schema registry's part: values carry its ids, and readers find their schemas by them."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import click
import pytest

from daymark import registry
from schemas import avro
from tests.flows import Road, visit


class Registry(ThreadingHTTPServer):
    """A stand-in that registers what it is given and refuses subjects named so."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.schemas: list[str] = []
        self.subjects: list[str] = []
        self.authorizations: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://user:hush@127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        subject = self.path.split("/")[2]
        self.server.authorizations.append(self.headers["Authorization"])
        self.server.subjects.append(subject)
        if "refused" in subject:
            self._answer(409, {"error_code": 409, "message": "incompatible"})
            return
        if asked["schema"] not in self.server.schemas:
            self.server.schemas.append(asked["schema"])
        self._answer(200, {"id": self.server.schemas.index(asked["schema"]) + 100})

    def do_GET(self) -> None:
        index = int(self.path.rpartition("/")[2]) - 100
        known = 0 <= index < len(self.server.schemas)
        self._answer(
            200 if known else 404, {"schema": self.server.schemas[index]} if known else {"message": "not found"}
        )

    def _answer(self, status: int, body: dict[str, object]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


REJECTED = {
    "reason": "too_large",
    "message": "m",
    "stage": "ingest",
    "workspace": None,
    "raw": b"x",
    "received_at": None,
}
REJECTED |= {"source_partition": None, "source_offset": None}


def test_values_carry_the_registrys_id(server: Registry) -> None:
    """A registered codec writes Confluent's frame, and a reader with the registry reads it."""
    codec = registry.registered(server.url, "t", avro.REJECTED)
    value = codec.encode(REJECTED)
    assert value[:5] == b"\x00\x00\x00\x00\x64"
    assert avro.decode(value, registry.lookup(server.url)) == ("RejectedEvent", REJECTED)
    assert server.subjects == ["t-value"]
    assert server.authorizations == ["Basic dXNlcjpodXNo"]


def test_refusal_is_said_without_the_password(server: Registry) -> None:
    with pytest.raises(click.ClickException, match=r"409.*incompatible") as said:
        registry.registered(server.url, "refused", avro.REJECTED)
    assert "hush" not in said.value.message


def test_silence_is_said() -> None:
    with pytest.raises(click.ClickException, match="DAYMARK_SCHEMA_REGISTRY"):
        registry.registered("http://127.0.0.1:9", "t", avro.REJECTED)


def test_workers_write_with_a_registry(
    server: Registry, kafka: str, redis_url: str, topics: object, claim_key: bytes
) -> None:
    """With a registry set, interactions and rejections go out in Confluent's frame."""
    road = Road(kafka, redis_url, topics, claim_key)  # type: ignore[arg-type]
    road.send([visit(1), ("", b"nonsense")])
    with road.worker(DAYMARK_SCHEMA_REGISTRY=server.url):
        road.wait_settled()
    for topic, name in ((road.topics.interactions, "TimelineInteraction"), (road.topics.rejected, "RejectedEvent")):
        (record,) = road.committed(topic)
        assert record.value[0] == 0
        assert avro.decode(record.value, registry.lookup(server.url))[0] == name
