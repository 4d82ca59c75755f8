"""`daymark backfill s3://…`, against a server that speaks as much of S3 as is read: lists, heads, ranges."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from click.testing import CliRunner, Result

from daymark.backfilling import archive, buckets
from daymark.commands import backfill

EVENT = {"type": "identify", "traits": {"email": "a@example.org"}, "timestamp": "2026-10-01T10:00:00Z"}
LINE = json.dumps(EVENT).encode()
DAY = "segment-logs/VhBYQcAjH5/1432684800000"
MANY = b"".join(b"%d %s\n" % (number, b"x" * 200) for number in range(50_000))  # several requests
OBJECTS = {
    f"{DAY}/b.gz": gzip.compress(LINE + b"\n" + LINE),
    f"{DAY}/a b+c.json": LINE,
    "segment-logs/dummy-object.txt": b"",
    "many/many.json": MANY,
    "cut.gz": gzip.compress(LINE)[:-4],
}
PAGE = 2  # objects of a list's page


class Bucket(BaseHTTPRequestHandler):
    """A bucket named `archive`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        at = urlsplit(self.path)
        bucket, _, key = unquote(at.path).lstrip("/").partition("/")
        if bucket != "archive":
            self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        elif not key:
            self._answer(200, _listed({name: values[0] for name, values in parse_qs(at.query).items()}))
        elif key not in OBJECTS:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            self._give(OBJECTS[key])

    def do_HEAD(self) -> None:
        self.do_GET()

    def _give(self, whole: bytes) -> None:
        wanted = self.headers.get("Range")
        if not wanted:
            self._answer(200, whole)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = whole[int(first) : int(last) + 1]
        self._answer(206, part, **{"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(whole)}"})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        usual = {"Content-Length": str(len(body)), "ETag": '"1"', "Last-Modified": "Wed, 27 May 2015 00:00:00 GMT"}
        for name, text in {**usual, **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _listed(query: dict[str, str]) -> bytes:
    names = [name for name in sorted(OBJECTS) if name.startswith(query.get("prefix", ""))]
    first = int(query.get("continuation-token", "0"))
    more = first + PAGE < len(names)
    rows = "".join(
        f"<Contents><Key>{name}</Key><LastModified>2015-05-27T00:00:00.000Z</LastModified><ETag>1</ETag>"
        f"<Size>{len(OBJECTS[name])}</Size></Contents>"
        for name in names[first : first + PAGE]
    )
    token = f"<NextContinuationToken>{first + PAGE}</NextContinuationToken>" if more else ""
    return f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>".encode()


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    made.daemon_threads = True
    threading.Thread(target=made.serve_forever, daemon=True).start()
    for name, text in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{made.server_address[1]}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "NO_PROXY": "127.0.0.1",
        "DAYMARK_KAFKA": "127.0.0.1:1",  # no running `daymark up` is meant
    }.items():
        monkeypatch.setenv(name, text)
    yield
    made.shutdown()
    made.server_close()


def run(*paths: str) -> Result:
    return CliRunner().invoke(backfill.command, [*paths, "--workspace", "w", "--dry-run", "--json"])


def test_a_prefix_is_read_like_a_folder() -> None:
    """Pages of a list, names with spaces, stray objects; a prefix within another is read once."""
    result = run("s3://archive/segment-logs", f"s3://archive/{DAY}/")
    found = json.loads(result.stdout)
    assert (found["files"], found["stray"], found["sent"], found["lines"]) == (2, 1, 3, 3)
    assert result.exit_code == 0


def test_an_object_is_read_in_ranges_and_from_the_line_where_it_ended() -> None:
    (file,) = buckets.find("s3://archive/many/many.json").files
    assert (file.name, file.size) == ("s3://archive/many/many.json", len(MANY))
    assert b"".join((line.text or b"") + b"\n" for line in archive.lines(file, 0, 1000)) == MANY
    assert [line.number for line in archive.lines(file, 49_998, 1000)] == [49_999, 50_000]


@pytest.mark.parametrize("path", ["s3://archive/nothing", "s3://another/segment-logs", "s3://archive/cut.gz"])
def test_what_cannot_be_read_is_said_in_a_line(path: str) -> None:
    result = run(path)
    assert result.exit_code == 1
    assert path.rpartition("/")[2] in result.stderr
    assert len(result.stderr.splitlines()) == 1
