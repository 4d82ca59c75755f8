"""Serves the app until the process is asked to end."""

import signal
import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp

_LEAVE_S: Final = 2  # a browser that follows deliveries keeps its request open for ever


def serve(app: ASGIApp, listening: socket.socket) -> None:
    """Serve at a bound socket until SIGINT or SIGTERM, and return.

    No access log: addresses hold no e-mail, but nobody needs who looked at whom. Forwarded headers are not believed:
    the guard decides by the peer's own address.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_LEAVE_S,
    )
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: None)  # uvicorn raises again, when it has stopped, what it was told
    uvicorn.Server(config).run(sockets=[listening])
