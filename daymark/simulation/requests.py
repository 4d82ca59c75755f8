"""Encodes events as HTTP requests, as Segment (one call each) or its SDKs (batches) send them. Pure; sends nothing."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

from daymark.simulation.audience import Event
from schemas.rejections import Reason

MOST_EVENTS = 4000  # in a batch (contract, section 2)

# Where Segment's Actions and RudderStack's SDKs split a batch, below the 4 MiB that a request may have.
_BATCH_BYTES = 4_000_000

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and with which key."""

    host: str
    port: int
    tls: bool
    path: str
    key: str = field(repr=False)
    gzip: bool = False


class Request(NamedTuple):
    """A complete request, and the events that it carries."""

    data: bytes
    events: Sequence[Event]


def target(url: str, key: str, *, gzipped: bool = False) -> Target:
    """Return the target of a URL, which is the part before /v1.

    Raises:
        ValueError: it is not an http:// or https:// URL with a host.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is not like http://127.0.0.1:8080")
    return Target(
        parts.hostname,
        parts.port or _PORTS[parts.scheme],
        parts.scheme == "https",
        parts.path.rstrip("/"),
        key,
        gzipped,
    )


def requests(events: Iterable[Event], batch: int, to: Target) -> Iterator[Request]:
    """Yield the requests that carry the events, in order.

    Args:
        events: what to send.
        batch: events per request; 0: single calls.
        to: where they go.

    An event that is not JSON cannot be part of a batch, and is sent alone.
    """
    single, several = _head(to, "identify"), _head(to, "batch")
    waiting: list[Event] = []
    size = 0
    for event in events:
        if not batch or event.reason is Reason.MALFORMED_JSON:
            yield Request(_whole(single, event.body, to), (event,))
            continue
        if waiting and (len(waiting) == batch or size + len(event.body) > _BATCH_BYTES):
            yield _batch(several, waiting, to)
            waiting, size = [], 0
        waiting.append(event)
        size += len(event.body) + 1
    if waiting:
        yield _batch(several, waiting, to)


def answered(body: bytes, count: int) -> list[str | None] | None:
    """Return the outcome of each event of a request: the code of its rejection, or None if it was accepted.

    Return None instead of the list if the response is not what the contract promises.
    """
    try:
        answer = json.loads(body)
        if answer["success"] is True:
            codes: list[str | None] = [None] * count
        else:
            codes = [str(answer["code"])] * count
        for rejected in answer.get("rejected", ()):
            codes[rejected["index"]] = rejected["code"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    return codes


def _batch(head: bytes, events: Sequence[Event], to: Target) -> Request:
    return Request(_whole(head, b'{"batch":[' + b",".join([event.body for event in events]) + b"]}", to), events)


def _whole(head: bytes, body: bytes, to: Target) -> bytes:
    if to.gzip:
        body = gzip.compress(body, 1)
    return head % len(body) + body


def _head(to: Target, call: str) -> bytes:
    credentials = b64encode(f"{to.key}:".encode()).decode()
    host = f"[{to.host}]" if ":" in to.host else to.host
    lines = [
        f"POST {to.path}/v1/{call} HTTP/1.1",
        f"Host: {host}:{to.port}",
        "User-Agent: Segment.io/1.0 (daymark simulate)",
        f"Authorization: Basic {credentials}",
        "Content-Type: application/json",
        *(["Content-Encoding: gzip"] if to.gzip else []),
        "Content-Length: ",
    ]
    return "\r\n".join(lines).replace("%", "%%").encode() + b"%d\r\n\r\n"
