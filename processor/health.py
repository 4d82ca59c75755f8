"""A worker's health and metrics over HTTP: /livez, /readyz, /metrics. Runs in a thread and touches no client of Kafka.

Alive means that the loop goes round, whether Kafka and Redis answer or not: a restart would mend neither.
"""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from processor import metrics

_DEAD_AFTER_S: Final = 120.0  # longer than any one step may take with everything timing out


def serve(host: str, port: int) -> tuple[Callable[[], None], int]:
    """Serve on an address; port 0 is any free one. Return what ends it, and the port.

    Raises:
        OSError: the address cannot be had.
    """
    server = ThreadingHTTPServer((host, port), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()

    def end() -> None:
        server.shutdown()
        server.server_close()

    return end, server.server_address[1]


def _answer(path: str) -> tuple[int, bytes]:
    last_s = time.time() - metrics.value(metrics.LAST_LOOP)
    if path == "/livez":
        return (
            (200, b"alive\n") if last_s < _DEAD_AFTER_S else (503, b"the loop has not gone round for %d s\n" % last_s)
        )
    if path == "/readyz":
        if metrics.value(metrics.PAUSED):
            return 503, b"Redis cannot answer: paused\n"
        return (200, b"ready\n") if metrics.value(metrics.SESSIONS) else (503, b"Kafka has not answered yet\n")
    return 404, b"/livez, /readyz, /metrics\n"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._send(200, generate_latest(), CONTENT_TYPE_LATEST)
        else:
            self._send(*_answer(self.path), "text/plain; charset=utf-8")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: probes come every few seconds."""
