"""A network's round trip, for the benchmark: `python -m tests.bench.delay MS PORT:PORT…` carries TCP with a delay.

Each pair is where it listens and where that leads, on the loopback address. What is sent arrives a fixed time later,
however much of it is on its way: half of the round trip in each direction. It says `ready` once it listens.
"""

import queue
import socket
import sys
import threading
import time
from contextlib import suppress

from daymark.local.ports import LOOPBACK

_CHUNK_BYTES = 1 << 18


def main() -> None:
    """Carry until killed."""
    one_way_s = float(sys.argv[1]) / 2000
    for pair in sys.argv[2:]:
        own, _, to = pair.partition(":")
        server = socket.create_server((LOOPBACK, int(own)))
        threading.Thread(target=_serve, args=(server, int(to), one_way_s), daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Event().wait()


def _serve(server: socket.socket, to: int, one_way_s: float) -> None:
    while True:
        near, _ = server.accept()
        far = socket.create_connection((LOOPBACK, to))
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for source, sink in ((near, far), (far, near)):
            waiting: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            threading.Thread(target=_receive, args=(source, waiting, one_way_s), daemon=True).start()
            threading.Thread(target=_deliver, args=(waiting, sink), daemon=True).start()


def _receive(source: socket.socket, waiting: "queue.SimpleQueue[tuple[float, bytes]]", one_way_s: float) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            waiting.put((time.monotonic() + one_way_s, data))
    waiting.put((0.0, b""))


def _deliver(waiting: "queue.SimpleQueue[tuple[float, bytes]]", sink: socket.socket) -> None:
    with suppress(OSError):
        while True:
            due, data = waiting.get()
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            time.sleep(max(due - time.monotonic(), 0.0))
            sink.sendall(data)


if __name__ == "__main__":
    main()
