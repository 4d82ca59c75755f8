"""Serves the app until the process is asked to end."""

from typing import Final

import uvicorn
from starlette.types import ASGIApp

_LEAVE_S: Final = 2  # a browser that follows deliveries keeps its request open for ever


def serve(app: ASGIApp, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM.

    No access log: addresses hold no e-mail, but nobody needs who looked at whom. Forwarded headers are not believed:
    the guard decides by the peer's own address.
    """
    config = uvicorn.Config(
        app,
        host=host.strip("[]"),
        port=port,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_LEAVE_S,
    )
    uvicorn.Server(config).run()
