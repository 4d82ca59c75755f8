"""A stand-in for Daymark's API: answers as the contract says, and misbehaves on request."""

import gzip
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from schemas import segment
from schemas.rejections import Rejection

NOW_MS = time.time_ns() // 1_000_000  # the commands that are tested take it from the clock


class Endpoint(ThreadingHTTPServer):
    """Takes events; `trouble` is what it does instead, a step a request: a status, or "close"."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, trouble: Iterable[int | str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.trouble = deque(trouble)
        self.lock = threading.Lock()
        self.taken: list[bytes] = []
        self.refused: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, str], int]] = []  # path, headers, client's port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients may hang up."""

    def judge(self, body: bytes) -> dict[str, Any]:
        found = segment.read(body, NOW_MS)
        if isinstance(found, Rejection):
            self.refused[found.reason] += 1
            return {"success": False, "code": found.reason, "message": found.message}
        self.taken.append(body)
        return {"success": True}


@contextmanager
def serving(*trouble: int | str) -> Iterator[Endpoint]:
    """Serve until the block ends."""
    with Endpoint(trouble) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.server.lock:
            self.server.requests.append((self.path, dict(self.headers), self.client_address[1]))
            trouble = self.server.trouble.popleft() if self.server.trouble else None
            if trouble == "close":
                self.close_connection = True
            elif trouble == "garbage":
                self.wfile.write(b"SSH-2.0-nothing\r\n\r\n")
                self.close_connection = True
            elif isinstance(trouble, int):
                self._answer(trouble, {"success": False, "code": "trouble", "message": "as told"})
            elif self.path.endswith("/v1/batch"):
                self._batch(json.loads(body, object_hook=None)["batch"])
            else:
                answer = self.server.judge(body)
                self._answer(200 if answer["success"] else 400, answer)

    def _batch(self, events: list[Any]) -> None:
        answers = [self.server.judge(json.dumps(event).encode()) for event in events]
        rejected = [{"index": index} | answer for index, answer in enumerate(answers) if not answer["success"]]
        accepted = len(events) - len(rejected)
        if accepted:
            self._answer(200, {"success": True, "accepted": accepted, "rejected": rejected})
        else:
            self._answer(400, answers[0] | {"accepted": 0, "rejected": rejected})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name it has above
        """Say nothing."""
