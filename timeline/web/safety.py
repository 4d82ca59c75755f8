"""Who may look, and what a browser may do with a page.

On loopback everybody on the machine may look, under a loopback name only: a page elsewhere that rebinds its own name to
127.0.0.1 is refused. Elsewhere a token is needed, or a proxy that signs people in and says so in a header.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE: Final = "daymark_timeline"
SHORTEST_TOKEN: Final = 16  # characters: a guess at 1,000 a second takes longer than anybody waits
_OPEN: Final = ("/login", "/static/", "/readyz")  # what the sign-in page itself needs, and probes
_LOOPBACK_NAMES: Final = {"localhost", "127.0.0.1", "::1"}
_METHODS: Final = {"GET", "HEAD", "POST"}

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Unsafe(ValueError):
    """The page would be open to others; the message says what to set."""


@dataclass(frozen=True)
class Guard:
    """Who may look.

    Attributes:
        host: where the server listens.
        token: asked for at sign-in; None: none is needed.
        proxy_header: set by a trusted proxy for a person whom it has signed in.
        proxies: addresses of such proxies; the header counts from nobody else.
    """

    host: str = "127.0.0.1"
    token: str | None = field(default=None, repr=False)
    proxy_header: str | None = None
    proxies: Sequence[Network] = ()

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise Unsafe(f"DAYMARK_TIMELINE_TOKEN is too short: use {SHORTEST_TOKEN} characters or more")
        if bool(self.proxy_header) != bool(self.proxies):
            raise Unsafe("set DAYMARK_TIMELINE_PROXY_HEADER and DAYMARK_TIMELINE_PROXIES together, or neither")
        if not self.is_local and self.is_open:
            raise Unsafe(
                f"{self.host} can be reached from elsewhere, and the page shows e-mail addresses: set "
                "DAYMARK_TIMELINE_TOKEN, or a trusted proxy (DAYMARK_TIMELINE_PROXY_HEADER), or listen on 127.0.0.1"
            )

    @property
    def is_local(self) -> bool:
        """Whether it listens on loopback only."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    @property
    def is_open(self) -> bool:
        """Whether nobody needs to sign in."""
        return self.token is None and self.proxy_header is None

    def is_token(self, text: str) -> bool:
        """Whether a text is the token; takes as long for every wrong one."""
        return self.token is not None and hmac.compare_digest(text.encode(), self.token.encode())

    def cookie(self) -> str:
        """Return what a browser that knew the token keeps: not the token itself."""
        return hmac.new((self.token or "").encode(), b"daymark timeline", hashlib.sha256).hexdigest()

    def admits(self, connection: HTTPConnection) -> bool:
        """Whether a request may see the pages."""
        if self.is_open:
            return True
        if self.proxy_header and connection.headers.get(self.proxy_header) and self._is_proxy(connection):
            return True
        bearer = connection.headers.get("authorization", "").removeprefix("Bearer ")
        kept = connection.cookies.get(COOKIE, "")
        is_kept = self.token is not None and hmac.compare_digest(kept.encode(), self.cookie().encode())
        return is_kept or self.is_token(bearer)

    def knows(self, host: str) -> bool:
        """Whether a Host header names this server; any does where people sign in: a cookie is bound to its name."""
        if not self.is_open:
            return True
        try:
            return urlsplit(f"//{host}").hostname in _LOOPBACK_NAMES
        except ValueError:
            return False

    def _is_proxy(self, connection: HTTPConnection) -> bool:
        try:
            peer = ipaddress.ip_address(connection.client.host if connection.client else "")
        except ValueError:
            return False
        peer = getattr(peer, "ipv4_mapped", None) or peer  # as a socket that takes both kinds names an IPv4 peer
        return any(peer in network for network in self.proxies)


class Guarded:
    """Lets in whom the guard admits, and sends every answer with the headers that bind a browser."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, _with_headers(send, scope["path"]))

    def _refusal(self, scope: Scope) -> Response | None:
        if scope["method"] not in _METHODS:
            return PlainTextResponse("This page is read only.\n", 405, {"allow": "GET, HEAD, POST"})
        if not self._guard.knows(Headers(scope=scope).get("host", "")):
            return PlainTextResponse("Open this page as http://127.0.0.1 or http://localhost.\n", 421)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return PlainTextResponse("There is no such page.\n", 404)  # PostgreSQL takes no NUL in text
        if scope["path"].startswith(_OPEN) or self._guard.admits(HTTPConnection(scope)):
            return None
        return RedirectResponse("/login", 303)


def _with_headers(send: Send, path: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, text in HEADERS.items():
                headers[name] = text
            if not path.startswith("/static/"):
                headers["cache-control"] = "no-store"  # pages show e-mail addresses
        await send(message)

    return sending
