"""What ingest is compared with: uvicorn, as lean as it goes, and an application that answers the same each time."""

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import uvicorn
import uvloop

BODY: Final = b'{"success":true}'
_START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))],
}
_REST: Final = {"type": "http.response.body", "body": BODY}

Message = MutableMapping[str, Any]


async def app(_scope: Message, _receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
    """Answer a request without a look at it."""
    await send(_START)
    await send(_REST)


async def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
    )
    server = asyncio.create_task(uvicorn.Server(config).serve([listening]))
    sys.stdout.write(f'{{"event":"ingest.started","http":"127.0.0.1:{listening.getsockname()[1]}"}}\n')
    sys.stdout.flush()
    await server


if __name__ == "__main__":
    uvloop.run(main())
