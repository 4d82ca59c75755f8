"""A certificate authority of a test's own, and TLS in front of what has none."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography.hazmat.primitives import serialization

from daymark.local.ports import LOOPBACK

_CHUNK = 65536


class Authority(NamedTuple):
    """Files: the authority's certificate, and key and certificate of a server on the loopback address, as PEM."""

    ca: Path
    server: Path


def make(folder: Path) -> Authority:
    """Make an authority and a server's certificate."""
    authority, files = trustme.CA(), Authority(folder / "ca.pem", folder / "server.pem")
    server = authority.issue_cert(LOOPBACK)
    authority.cert_pem.write_to_path(str(files.ca))
    key = serialization.load_pem_private_key(server.private_key_pem.bytes(), None)
    files.server.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,  # the only form that Kafka reads
            serialization.NoEncryption(),
        )
        + b"".join(blob.bytes() for blob in server.cert_chain_pems)
    )
    return files


@contextmanager
def tls_before(port: int, authority: Authority) -> Iterator[int]:
    """Serve TLS on a port, which is given, and hand on what comes to another port of this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server)
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(LOOPBACK, port)
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

    server = loop.run_until_complete(asyncio.start_server(serve, LOOPBACK, 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
