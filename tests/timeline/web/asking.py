"""One request to the app, and what a browser would make of the answer."""

import asyncio
from collections.abc import Mapping
from html.parser import HTMLParser

import httpx
from starlette.applications import Starlette


def ask(
    app: Starlette,
    path: str,
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    peer: str = "127.0.0.1",
) -> httpx.Response:
    """Send one request to an app."""
    sent = [(name.encode(), text.encode("latin-1")) for name, text in (headers or {}).items()]

    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=(peer, 50_000), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8090") as client:
            return await client.request(method, path, headers=sent, data=form)

    return asyncio.run(asking())


class Read(HTMLParser):
    """What a browser would make of a page: its elements, links and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def links(self) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.elements for name in ("href", "src", "action") if name in attrs]


def days(page: Read) -> list[str]:
    """Return the days of the entries that a contact's page shows."""
    return [attrs["id"] or "" for tag, attrs in page.elements if tag == "article"]
