"""A worker's admin port: the pages of `ingest.http.admin` on ingest's HTTP server, in a separate thread.

One implementation for both parts, while `processor` knows nothing of HTTP (decision 22). The thread touches no client
of Kafka or Redis: health is answered whatever a batch waits for.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Final, NamedTuple

from daymark.setting_types import Address
from ingest.http.admin import Admin
from ingest.http.listener import Listener, bind
from processor import health
from processor.metrics import REGISTRY

_MOST_CONNECTIONS: Final = 256  # probes and scrapers


class Served(NamedTuple):
    """A running admin port: where it listens, host:port, and what ends it."""

    place: str
    end: Callable[[], None]


def serve(address: Address) -> Served:
    """Serve a worker's health and metrics on an address; port 0 is any free one.

    Raises:
        CannotListen: the address cannot be had; the text says why.
    """
    bound, opened = bind(address), Future[Served]()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(bound, opened)), name="admin", daemon=True)
    thread.start()
    place, stop = opened.result()

    def end() -> None:
        stop()
        thread.join()

    return Served(place, end)


async def _serve(bound: socket.socket, opened: Future[Served]) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    try:
        port = Listener(bound, Admin(lambda: health.alive(time.monotonic()), health.ready, REGISTRY), _MOST_CONNECTIONS)
        await port.open()
    except Exception as error:  # noqa: BLE001  raised to who waits for it
        opened.set_exception(error)
        return
    opened.set_result(Served(port.address, partial(_stop, loop, stopped)))
    await stopped.wait()
    await port.close(0)


def _stop(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    loop.call_soon_threadsafe(stopped.set)
